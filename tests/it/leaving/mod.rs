//! Leaving: taking everything home, deleting an account, coming back in time, and what is left when the time is over.

mod deleting;
mod emptying;
mod exporting;
mod ledger;
