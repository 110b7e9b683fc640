//! Signing in, staying signed in, and tokens.

mod issuer;
mod next_request;
mod sessions;
mod sign_in;
mod tokens;
mod world;
