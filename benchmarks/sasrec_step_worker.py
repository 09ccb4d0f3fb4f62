"""Times a training step of SASRec in PyTorch, for sasrec_step.py; knows nothing of farzi.

python sasrec_step_worker.py SIZES VOCABULARY plain|recbole
"""

import json
import sys
import time

import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]


class Plain(nn.Module):
    """As in github.com/pmixer/SASRec.pytorch, with pre-norm blocks and the full softmax."""

    def __init__(self, items, batch, length, width, layers, dropout, steps):
        super().__init__()
        self.items = nn.Embedding(items + 1, width, padding_idx=0)
        self.places = nn.Embedding(length, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "attention_norm": nn.LayerNorm(width),
                    "attention": nn.MultiheadAttention(width, 1, dropout, batch_first=True),
                    "feed_norm": nn.LayerNorm(width),
                    "feed": nn.Sequential(
                        nn.Linear(width, width),
                        nn.Dropout(dropout),
                        nn.ReLU(),
                        nn.Linear(width, width),
                        nn.Dropout(dropout),
                    ),
                }
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.mask = ~torch.tril(torch.ones(length, length, dtype=torch.bool))

    def calculate_loss(self, rows):
        """Mean cross-entropy of the next item at all places."""
        x = self.items(rows[:, :-1]) * self.items.embedding_dim**0.5
        x = self.dropout(x + self.places.weight[None])
        for block in self.blocks:
            read = block["attention_norm"](x)
            x = x + block["attention"](read, read, read, attn_mask=self.mask)[0]
            x = x + block["feed"](block["feed_norm"](x))
        scores = self.norm(x) @ self.items.weight.T
        return nn.functional.cross_entropy(scores.flatten(0, 1), rows[:, 1:].flatten())


def plain(sizes, items):
    """The model, and what makes it a batch."""
    model = Plain(items, **sizes)
    return model, lambda: torch.randint(1, items + 1, (sizes["batch"], sizes["length"] + 1))


def recbole(sizes, items):
    """RecBole's own model, and what makes it a batch."""
    from recbole.model.sequential_recommender import (  # pyright: ignore[reportMissingImports]
        sasrec,
    )

    config = {
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        "LIST_SUFFIX": "_list",
        "ITEM_LIST_LENGTH_FIELD": "item_length",
        "NEG_PREFIX": "neg_",
        "MAX_ITEM_LIST_LENGTH": sizes["length"],
        "device": torch.device("cpu"),
        "n_layers": sizes["layers"],
        "n_heads": 1,
        "hidden_size": sizes["width"],
        "inner_size": sizes["width"],
        "hidden_dropout_prob": sizes["dropout"],
        "attn_dropout_prob": sizes["dropout"],
        "hidden_act": "relu",
        "layer_norm_eps": 1e-5,
        "initializer_range": 0.02,
        "loss_type": "CE",
    }

    class Data:
        def num(self, field):
            return items + 1

    def batch():
        return {
            "item_id_list": torch.randint(1, items + 1, (sizes["batch"], sizes["length"])),
            "item_length": torch.full((sizes["batch"],), sizes["length"]),
            "item_id": torch.randint(1, items + 1, (sizes["batch"],)),
        }

    return sasrec.SASRec(config, Data()), batch


def main(sizes, items, kind):
    """Print the seconds of a step."""
    torch.manual_seed(0)
    steps = sizes["steps"]
    model, batch = {"plain": plain, "recbole": recbole}[kind](sizes, items)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    began = 0.0
    for step in range(2 * steps):
        if step == steps:
            began = time.perf_counter()
        optimizer.zero_grad()
        model.calculate_loss(batch()).backward()
        optimizer.step()
    print(json.dumps({"seconds": (time.perf_counter() - began) / steps}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
