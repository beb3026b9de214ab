"""What an attacker can learn about real persons from synthetic data: the attacks themselves, each with a control."""
