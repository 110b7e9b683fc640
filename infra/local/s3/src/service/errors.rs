//! The store's failures as S3 errors.

use crate::store::StoreError;
use http::{Response, StatusCode};
use s3s::{Body, S3Error, S3ErrorCode};

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::InvalidBucketName(_) => S3ErrorCode::InvalidBucketName,
            StoreError::NoSuchBucket => S3ErrorCode::NoSuchBucket,
            StoreError::NoSuchKey => S3ErrorCode::NoSuchKey,
            StoreError::InvalidKey => S3ErrorCode::KeyTooLongError,
            StoreError::PreconditionFailed => S3ErrorCode::PreconditionFailed,
            StoreError::WrongLength => S3ErrorCode::IncompleteBody,
            StoreError::WrongChecksum(_) => S3ErrorCode::BadDigest,
            StoreError::MalformedChecksum(_) => S3ErrorCode::InvalidDigest,
            StoreError::MetadataTooLarge => S3ErrorCode::MetadataTooLarge,
            StoreError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
            StoreError::InvalidPartNumber => S3ErrorCode::InvalidArgument,
            StoreError::InvalidPart => S3ErrorCode::InvalidPart,
            StoreError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            StoreError::PartTooSmall => S3ErrorCode::EntityTooSmall,
            StoreError::Io(_) | StoreError::Locked(_) | StoreError::UnknownFormat(_) | StoreError::Corrupt { .. } => {
                // The operator's to know; the client learns nothing about our files.
                tracing::error!(error = &error as &dyn std::error::Error, "the object store failed");
                return S3ErrorCode::InternalError.into();
            }
        };
        Self::with_message(code, error.to_string())
    }
}

/// An error as an answer.
pub(super) fn answer(error: S3Error) -> Response<Body> {
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
