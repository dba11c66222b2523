"""Restores whole archives on one machine or many: Ray Data sends pieces of them to workers that keep a model loaded.

* ``places``: folders and object stores behind one interface; files are written completely or not at all.
* ``sources``: the contents of an archive (loose pictures, tar shards, Parquet files), cut into separately read pieces.
* ``runs``: runs that share a target claim pictures, and take over from dead runs.
* ``work``: the worker, which restores, encodes and writes pictures, with one outcome for each.
* ``here``: small archives, restored in this process.
* ``pipeline``: the only module that uses Ray.

One rule makes it safe to kill any part of it at any time: **the result is the record.**  The name of a result depends
only on the name of its input, a result is complete or absent, and a worker that finds it has nothing left to do.  No
separate list of finished pictures exists that could disagree with the files.
"""
