"""The EVM chain: keys, transactions, contracts, events, deployment and the local development chain.

    async with await Chain.connect(rpc_url, AddressBook.read(path)) as chain:
        await chain.token.approve(account, chain.escrow.address, amount)
        channel = await chain.escrow.open(account, ...)

`Chain` checks chain id and code hashes before its first use (WrongChain), keeps nonces and fees,
waits for receipts and raises ChainRejected with the contract's own error. Amounts are integers in
base units (18 decimals), times Unix seconds, addresses EIP-55 text, 32-byte values `bytes`.
"""
