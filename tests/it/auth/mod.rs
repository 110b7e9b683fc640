//! Signing in, staying signed in, and tokens.

mod admin;
mod issuer;
mod next_request;
mod sessions;
mod sign_in;
mod tokens;
mod world;
