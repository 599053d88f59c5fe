"""Storage: blocks on disk, and files between peers over HTTP, all by content."""

from aivm.storage.blocks import BlockStore
from aivm.storage.fetch import Progress, fetch, fetch_block
from aivm.storage.gateway import create_app
from aivm.storage.push import push

__all__ = ["BlockStore", "Progress", "create_app", "fetch", "fetch_block", "push"]
