//! Stream Hub's API: Camera and StreamHub, their schema, and the loader that validates as an API server would.
