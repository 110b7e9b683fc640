//! What an operator does to a data folder, or to a table on AWS: backups (a folder only), and the commands that need the table.
//!
//! Each works whether the edition runs or not. When it does, its lock says so and `endpoints.json` says where it listens; when it
//! doesn't, the command takes the lock and starts the services it needs for as long as it lasts.

mod backup;
mod generation;
mod records;
mod restore;

#[cfg(test)]
mod tests;

pub use backup::{BackupError, backup};
pub use records::{OperateError, Place, describe};
pub use restore::{RestoreError, restore};
