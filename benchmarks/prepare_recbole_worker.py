"""Loads a log with RecBole and prints how long that took; run by prepare_recbole.py.

    python benchmarks/prepare_recbole_worker.py FOLDER

`FOLDER/log/log.inter` is the log. Needs RecBole and nothing of farzi.
"""

import json
import logging
import sys
import time

from recbole.config import Config  # pyright: ignore[reportMissingImports]
from recbole.data import create_dataset  # pyright: ignore[reportMissingImports]


def main() -> None:
    """Load, then sort and split as for a sequential model."""
    logging.disable(logging.CRITICAL)
    settings = {
        "data_path": sys.argv[1],
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "group_by": "user",
            "order": "TO",
            "mode": "full",
        },
        "train_neg_sample_args": None,
        "MAX_ITEM_LIST_LENGTH": 50,
        "show_progress": False,
    }
    arguments = sys.argv
    sys.argv = sys.argv[:1]  # RecBole reads the command line too.
    config = Config(model="SASRec", dataset="log", config_dict=settings)
    sys.argv = arguments
    began = time.perf_counter()
    dataset = create_dataset(config)
    loaded = time.perf_counter() - began
    counts = {
        "events": dataset.inter_num,
        "sequences": dataset.user_num - 1,  # One is padding.
        "tokens": dataset.item_num - 1,
    }
    began_again = time.perf_counter()
    dataset.build()
    split = loaded + time.perf_counter() - began_again
    print(json.dumps({"loaded": loaded, "split": split, "counts": counts}))


if __name__ == "__main__":
    main()
