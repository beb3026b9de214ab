"""Public grids for numbers: buckets of constant relative width, and the precision that a value shows.

The grid depends on no data, so counts of two hospitals fall on the same edges and can be added. A bucket is the sign,
exponent and first 32 mantissa bits of a double: 2^-32 of the value wide, so that a second of a timestamp is seen.
Bucket order is value order.
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from omopsql.registry import kernel

_MANTISSA_BITS_DROPPED = np.int64(20)
_LARGEST_BUCKET = np.int64(0x7FEFFFFFFFF)
_DECIMALS = 9
_TOLERANCE = 1e-9


@intrinsic
def _bits_of(typing_context, x):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], context.get_value_type(types.int64))

    return types.int64(types.float64), generate


@intrinsic
def _from_bits(typing_context, bits):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], context.get_value_type(types.float64))

    return types.float64(types.int64), generate


@njit(inline="always", nogil=True)
def _magnitude_low(bucket):
    return _from_bits(min(bucket, _LARGEST_BUCKET) << _MANTISSA_BITS_DROPPED)


@kernel(family="synth", example="SELECT omopsql.value_bucket(1.0) = omopsql.value_bucket(1.0000000001) --> True")
def value_bucket(x: float) -> int:
    """Public bucket of a number: 2^-32 of the value wide, in the order of the values.

    Numbers nearer to 0 than 5.2e-318 fall in bucket 0, NaN with the largest.
    """
    magnitude = abs(x)
    if not magnitude <= 1.7976931348623157e308:
        magnitude = 1.7976931348623157e308
    bucket = _bits_of(magnitude) >> _MANTISSA_BITS_DROPPED
    return -bucket if x < 0.0 else bucket


@kernel(family="synth", example="SELECT omopsql.bucket_low(omopsql.value_bucket(1.5)) --> 1.5")
def bucket_low(bucket: int) -> float:
    """Lower edge of a bucket of value_bucket; its upper edge is the lower edge of the next."""
    if bucket > 0:
        return _magnitude_low(bucket)
    return -_magnitude_low(1 - bucket)


@kernel(family="synth", example="SELECT omopsql.resolution(120.5) --> 0.1")
def resolution(x: float) -> float:
    """Largest step of 1, 0.1 down to 1e-9 that a value is a whole multiple of; 0 when it shows more digits."""
    scale = 1.0
    for _ in range(_DECIMALS + 1):
        scaled = x * scale
        if abs(scaled - math.floor(scaled + 0.5)) <= _TOLERANCE * max(1.0, min(abs(scaled), 1e4)):
            return 1.0 / scale
        scale *= 10.0
    return 0.0
