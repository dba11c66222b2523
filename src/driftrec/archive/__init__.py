"""Whole archives, on one machine or many: pieces of the source go through Ray Data to workers that keep a model loaded.

* ``places``: folders and object stores under one name; files that are whole or not there.
* ``sources``: what an archive holds – loose pictures, tar shards, Parquet files – cut into pieces that are read apart.
* ``work``: the worker; bytes in, restored, encoded and written, one outcome for every picture.
* ``pipeline``: the only module that uses Ray.

One rule makes it safe to kill any part of it at any time: **the result is the record.**  The name of a result follows
from the name of its input alone, a result appears whole or not at all, and whoever finds it there has nothing left to
do.  There is no list of what is done that could disagree with the files.
"""
