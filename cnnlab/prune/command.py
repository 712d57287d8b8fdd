"""`python -m cnnlab.prune compare | export | card`: the comparison of criteria from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cnnlab.prune.comparison import arms
from cnnlab.prune.evidence import write
from cnnlab.run.command import obeyed, on_processes
from cnnlab.run.store import Store


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words say; see `cnnlab.run.command.obeyed`."""
    return obeyed(_parser(), words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cnnlab.prune", description="Criteria of pruning, compared.")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("compare", help="train and prune what the store does not hold yet; call again to go on")
    run.set_defaults(act=_compare)
    run.add_argument("--store", required=True, help="SQLite file of results; made if there is none")
    run.add_argument("--root", help="folder that holds cifar10.npz (default: glyphs alone)")
    run.add_argument("--workers", type=int, default=1, help="processes on this machine (default 1)")
    run.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1 ...")
    export = commands.add_parser("export", help="write a store's rows as CSV, a file for each data set")
    export.set_defaults(act=_export)
    export.add_argument("store")
    export.add_argument("folder")
    card = commands.add_parser("card", help="print the tables of the data card: what data/pruned holds and says")
    card.set_defaults(act=_card)
    return parser


def _compare(choice: argparse.Namespace) -> None:
    on_processes(arms(choice.root), choice.store, choice.workers, device=choice.device)


def _export(choice: argparse.Namespace) -> None:
    with Store(choice.store) as store:
        for path in write(store.frame(), choice.folder):
            print(path)


def _card(choice: argparse.Namespace) -> None:
    from cnnlab.prune.card import card

    print(card(), end="")
