"""One small learner of each architecture."""

import jax

from farzi.models import LSTM, FMLPRec, GRU4Rec, SASRec, Transformer

VOCABULARY, WIDTH, TIME = 7, 8, 6


def sasrec(layers=2, key=0, dropout=0.0, length=TIME):
    sizes = {"width": WIDTH, "layers": layers, "heads": 2, "length": length}
    return SASRec(VOCABULARY, dropout=dropout, key=jax.random.key(key), **sizes)


def gru4rec(layers=2, key=0, dropout=0.0):
    sizes = {"width": WIDTH, "hidden": 6, "layers": layers}
    return GRU4Rec(VOCABULARY, dropout=dropout, key=jax.random.key(key), **sizes)


def fmlp(layers=2, key=0, dropout=0.0, length=TIME):
    sizes = {"width": WIDTH, "layers": layers, "length": length}
    return FMLPRec(VOCABULARY, dropout=dropout, key=jax.random.key(key), **sizes)


def lstm(layers=2, key=0, dropout=0.0):
    sizes = {"width": WIDTH, "layers": layers}
    return LSTM(VOCABULARY, dropout=dropout, key=jax.random.key(key), **sizes)


def transformer(layers=2, key=0, dropout=0.0, length=TIME, rotary=False):
    sizes = {"width": WIDTH, "layers": layers, "heads": 2, "length": length, "rotary": rotary}
    return Transformer(VOCABULARY, dropout=dropout, key=jax.random.key(key), **sizes)


def rotary(**options):
    return transformer(rotary=True, **options)


ALL = (sasrec, gru4rec, fmlp, lstm, transformer, rotary)
