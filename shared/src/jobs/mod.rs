//! The generation job.
