//! Planning: what is asked, what is decided, and that nothing is ever written.

mod catalogs;
mod changes;
mod circles;
mod in_sync;
mod long_list;
mod policies;
mod read_only;
mod rules;
mod selection;
mod tls;
mod unreadable;
