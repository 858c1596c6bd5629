"""Where documents are kept: adapters behind `core.store.Store`, each proven by `testing.contracts.StoreContract`."""
