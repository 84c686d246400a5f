//! regsync
