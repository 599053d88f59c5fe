"""The EVM chain: keys, transactions, contracts, events, deployment, and a local chain.

    from aivm.chain.client import Chain

    async with await Chain.connect(rpc_url, AddressBook.read(path)) as chain:
        await chain.token.ensure_allowance(account, chain.escrow.address, amount)
        channel = await chain.escrow.open(account, provider, model, amount, salt=..., expiry=...)

`Chain` checks chain id and code hashes before its first use (WrongChain), keeps nonces and fees,
waits for receipts and raises ChainRejected with the contract's own error. Amounts are integers in
base units (18 decimals), times Unix seconds, addresses EIP-55 text, 32-byte values `bytes`.

    client        Chain                     account       Account, Transaction
    token, registry, staking, escrow,       keystore      Keystore: encrypted key files
    dispute: the contracts' wrappers        docket, cases Docket: the disputes as they stand
    transactions  nonces, fees, receipts    address_book  AddressBook
    events        decode_log, EventFollower deploy        deploy, DeploymentParameters
    rpc           Rpc: JSON-RPC             devchain      DevChain: a local chain, over anvil
    abi, rlp, artifact, reverts             tools         finds and installs anvil

Nothing is imported here: `aivm.chain.tools` runs while the installation is not complete yet.
"""
