//! What can go wrong in the store.

use std::path::PathBuf;

/// A failure of [`Store`](super::Store).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system refused.
    #[error("the object store's folder could not be read or written")]
    Io(#[from] std::io::Error),
    /// Another process has the folder open.
    #[error("another process uses the object store in {0}")]
    Locked(PathBuf),
    /// The folder was written by a release that this one does not know.
    #[error("the object store has format {0:?}, this release knows 1")]
    UnknownFormat(String),
    /// A file that should be an object is not one: the disk lost data, or somebody changed the file.
    #[error("{path} is not a whole object file: {reason}")]
    Corrupt {
        /// The file, as given to the file system.
        path: PathBuf,
        /// Which check failed.
        reason: &'static str,
    },
    /// Not a name that S3 allows for a bucket.
    #[error("{0:?} is not a bucket name")]
    InvalidBucketName(String),
    /// No such bucket.
    #[error("no such bucket")]
    NoSuchBucket,
    /// No such object.
    #[error("no such key")]
    NoSuchKey,
    /// Keys have 1 to 1024 bytes.
    #[error("the key is empty or longer than 1024 bytes")]
    InvalidKey,
    /// `If-Match` or `If-None-Match` did not hold.
    #[error("a condition of the request did not hold")]
    PreconditionFailed,
    /// The body is shorter or longer than announced.
    #[error("the body has another length than announced")]
    WrongLength,
    /// A checksum that the client sent is not the body's.
    #[error("the body does not have the {0} that was sent with it")]
    WrongChecksum(&'static str),
    /// A checksum or digest that is not base64 of the right length.
    #[error("{0} is malformed")]
    MalformedChecksum(&'static str),
    /// User metadata above 2 KiB.
    #[error("the metadata is larger than 2 KiB")]
    MetadataTooLarge,
    /// No such multipart upload, or it has been completed or aborted.
    #[error("no such upload")]
    NoSuchUpload,
    /// A part number outside of 1 to 10,000.
    #[error("part numbers go from 1 to 10000")]
    InvalidPartNumber,
    /// A part named at completion was not uploaded, or with another `ETag` or checksum.
    #[error("a part is missing or is another one")]
    InvalidPart,
    /// The parts named at completion are not in ascending order.
    #[error("parts are not in ascending order")]
    InvalidPartOrder,
    /// A part other than the last is smaller than 5 MiB.
    #[error("a part that is not the last is smaller than 5 MiB")]
    PartTooSmall,
}
