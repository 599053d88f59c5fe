"""CIDs equal Kubo's: its golden vectors for profile unixfs-v1-2025, and the refusals around them.

Kubo's vectors (test/cli/cid_profiles_test.go) are ChaCha20 key streams, key SHA-256 of a seed text,
nonce zero.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from aivm.commitments import dag_pb, unixfs
from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import CHUNK_BYTES, Entry, FileNode
from aivm.errors import MalformedBlock, TooLarge
from aivm.packages.files import cid_of_bytes

ALPHABET = "abcdefghijklmnopqrstuvwxyz01234567890-_"


def key_stream(size: int, seed: str, piece: int = CHUNK_BYTES) -> Iterator[bytes]:
    encryptor = Cipher(ChaCha20(sha256(seed.encode()).digest(), bytes(16)), None).encryptor()
    for at in range(0, size, piece):
        yield encryptor.update(bytes(min(piece, size - at)))


def cid_of_stream(chunks: Iterator[bytes]) -> str:
    leaves = [unixfs.leaf(Cid.of(Codec.RAW, chunk), len(chunk)) for chunk in chunks]
    return str(unixfs.build_file(leaves)[0].cid)


def kubo_directory(last_name_length: int) -> dict[str, Entry]:
    """4,766 files of one byte "x", with names of 11 characters but for the last."""
    stream = b"".join(key_stream(1 << 20, "hamt-unixfs-v1-2025"))
    lengths = [11] * 4765 + [last_name_length]
    names, position = [], 0
    for length in lengths:
        names.append("".join(ALPHABET[byte % 39] for byte in stream[position : position + length]))
        position += length
    return dict.fromkeys(names, unixfs.leaf(Cid.of(Codec.RAW, b"x"), 1))


@pytest.mark.parametrize(
    ("content", "cid"),
    [
        (b"", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        (b"hello world", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"),
    ],
)
def test_small_files(content: bytes, cid: str) -> None:
    assert str(cid_of_bytes(content)) == cid


@pytest.mark.parametrize(
    ("size", "seed", "cid"),
    [
        (1 << 20, "chunk-v1-seed",
         "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"),
        ((1 << 20) + 1, "chunk-v1-seed",
         "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"),
    ],
)  # fmt: skip
def test_kubo_vectors_at_the_chunk_border(size: int, seed: str, cid: str) -> None:
    assert cid_of_stream(key_stream(size, seed)) == cid


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "cid"),
    [
        (1 << 30, "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"),
        ((1 << 30) + 1, "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe"),
        (1025 << 20, "bafybeihmzokxxjqwxjcryerhp5ezpcog2wcawfryb2xm64xiakgm4a5jue"),
    ],
)
def test_kubo_vectors_at_the_link_border(size: int, cid: str) -> None:
    assert cid_of_stream(key_stream(size, "v1-2025-seed")) == cid


def test_kubo_directory_of_exactly_256_kib() -> None:
    entry, block = unixfs.build_directory(kubo_directory(last_name_length=21))
    assert len(block) == 1 << 18
    assert str(entry.cid) == "bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4"


def test_a_directory_one_byte_larger_is_refused() -> None:
    with pytest.raises(TooLarge, match="4766 entries"):
        unixfs.build_directory(kubo_directory(last_name_length=22))


def test_the_empty_directory() -> None:
    entry, _ = unixfs.build_directory({})
    assert str(entry.cid) == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


@pytest.mark.parametrize("max_links", [2, 3, 5])
def test_every_chunk_lies_at_one_depth_and_sizes_add_up(max_links: int) -> None:
    for count in range(1, 40):
        chunks = [random.Random(i).randbytes(2) for i in range(count)]
        leaves = [unixfs.leaf(Cid.of(Codec.RAW, chunk), 2) for chunk in chunks]
        entry, nodes = unixfs.build_file(leaves, max_links=max_links)
        depths: dict[int, list[Cid]] = {}

        def walk(cid: Cid, depth: int, size: int, depths=depths, nodes=nodes) -> None:
            if cid.codec is Codec.RAW:
                depths.setdefault(depth, []).append(cid)
                return
            node = unixfs.decode_node(nodes[cid])
            assert isinstance(node, FileNode)
            assert node.size == size and len(node.children) <= max_links
            for child, child_size in zip(node.children, node.sizes, strict=True):
                walk(child, depth + 1, child_size)

        walk(entry.cid, 0, entry.size)
        assert len(depths) == 1
        assert next(iter(depths.values())) == [leaf.cid for leaf in leaves]
        assert entry.dag_size == 2 * count + sum(map(len, nodes.values()))


def test_directories_are_sorted_by_name_bytes_and_read_back() -> None:
    entry = unixfs.leaf(Cid.of(Codec.RAW, b"x"), 1)
    names = ["é", "z", "a", "Z", "a.b", "aa"]
    _, block = unixfs.build_directory(dict.fromkeys(names, entry))
    with pytest.raises(MalformedBlock, match="case"):
        unixfs.decode_node(block)
    _, block = unixfs.build_directory(dict.fromkeys(["é", "z", "a", "a.b", "aa"], entry))
    assert list(unixfs.decode_node(block)) == ["a", "a.b", "aa", "z", "é"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0", "x" * 256, "/etc/passwd"])
def test_unsafe_names_are_refused_both_ways(name: str) -> None:
    entry = unixfs.leaf(Cid.of(Codec.RAW, b"x"), 1)
    with pytest.raises(MalformedBlock):
        unixfs.build_directory({name: entry})
    link = dag_pb.Link(entry.cid, name, 1)
    with pytest.raises(MalformedBlock):
        unixfs.decode_node(dag_pb.encode(dag_pb.Node((link,), b"\x08\x01")))


LEAF = dag_pb.Link(Cid.of(Codec.RAW, b"x"), "", 1)


@pytest.mark.parametrize(
    ("links", "data"),
    [
        ((), b""),  # no type
        ((), b"\x08\x02"),  # file without links
        ((), b"\x08\x05"),  # sharded directory
        ((), b"\x08\x04"),  # symlink
        ((), b"\x08\x02\x12\x01x\x18\x01"),  # inline data
        ((LEAF,), b"\x08\x02\x18\x02\x20\x01"),  # sizes do not add up
        ((LEAF,), b"\x08\x02\x18\x01"),  # no size for the link
        ((LEAF, LEAF), b"\x08\x02\x18\x01\x20\x01"),  # one size for two
        ((LEAF,), b"\x18\x01\x08\x02\x20\x01"),  # other order of fields
        ((LEAF,), b"\x08\x02\x18\x01\x20\x01\x28\x00"),  # unknown field
        ((LEAF,), b"\x08\x82\x00\x18\x01\x20\x01"),  # over-long integer
        ((LEAF,), b"\x08\x02\x18\x01\x20"),  # cut off
        ((dag_pb.Link(LEAF.cid, "named", 1),), b"\x08\x02\x18\x01\x20\x01"),
        ((LEAF,) * 1025, b"\x08\x02\x18\x81\x08" + b"\x20\x01" * 1025),
        ((dag_pb.Link(LEAF.cid, "b", 1), dag_pb.Link(LEAF.cid, "a", 1)), b"\x08\x01"),
        ((dag_pb.Link(LEAF.cid, "a", 1),) * 2, b"\x08\x01"),
    ],
)
def test_nodes_outside_the_profile_are_refused(links: tuple[dag_pb.Link, ...], data: bytes) -> None:
    with pytest.raises(MalformedBlock):
        unixfs.decode_node(dag_pb.encode(dag_pb.Node(links, data)))
