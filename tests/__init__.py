"""Hiram's tests. The servers they need run before Django reads its settings, which name them."""

from tests import cluster

cluster.start()
