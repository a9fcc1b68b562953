"""The store's migrations, run by ``Store.migrate``: a module a revision, and its guards."""
