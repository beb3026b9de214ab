"""SDV's GaussianCopulaSynthesizer on one Parquet file: CPU time, memory, rows. Runs in SDV's environment."""

import json
import resource
import sys
import time
import warnings

import pandas as pd

warnings.filterwarnings("ignore")

from sdv.metadata import Metadata  # noqa: E402  (after the warnings filter)
from sdv.single_table import GaussianCopulaSynthesizer  # noqa: E402


def main(source: str, rows: int, target: str) -> None:
    data = pd.read_parquet(source)
    metadata = Metadata.detect_from_dataframes({"t": data})
    for name in data:
        wanted = "numerical" if data[name].dtype.kind in "fi" else "categorical"
        if metadata.tables["t"].columns[name]["sdtype"] != wanted:
            metadata.update_column(name, sdtype=wanted, table_name="t")
    if metadata.tables["t"].primary_key:
        metadata.remove_primary_key(table_name="t")
    synthesizer = GaussianCopulaSynthesizer(metadata)
    started = time.process_time()
    synthesizer.fit({"t": data})
    fit = time.process_time() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    started = time.process_time()
    sample = synthesizer.sample(rows)
    generate = time.process_time() - started
    (sample["t"] if isinstance(sample, dict) else sample).to_parquet(target, index=False)
    print(json.dumps({"fit": fit, "memory": memory, "sample": generate}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
