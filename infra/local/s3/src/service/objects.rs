//! The operations.

use super::Operations;
use super::body::Declared;
use super::read::{dto_checksums, etag, timestamp};
use super::uploads::named_algorithm;
use crate::store::{Attributes, Condition, Identity, StoreError};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use std::io::Read as _;

/// What S3 deletes at most in one request.
const DELETE_MAX: usize = 1000;
const COPY_BYTES: usize = 128 * 1024;

/// The checksums of an input, whichever of the several types it is.
macro_rules! sums {
    ($input:expr) => {
        $crate::service::objects::checksums([
            $input.checksum_crc32.clone(),
            $input.checksum_crc32c.clone(),
            $input.checksum_crc64nvme.clone(),
            $input.checksum_sha1.clone(),
            $input.checksum_sha256.clone(),
        ])
    };
}

/// The attributes of an input, whichever of the several types it is.
macro_rules! attributes {
    ($input:expr) => {
        $crate::store::Attributes {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $crate::service::objects::own_encoding($input.content_encoding.as_deref()),
            content_language: $input.content_language.clone(),
            user: $input.metadata.clone().into_iter().flatten().collect(),
        }
    };
}

pub(super) use {attributes, sums};

/// In the order of [`Algorithm::ALL`](crate::store::Algorithm::ALL).
pub(super) fn checksums(values: [Option<String>; 5]) -> crate::store::Checksums {
    crate::store::Algorithm::ALL.into_iter().zip(values).filter_map(|(algorithm, value)| Some((algorithm, value?))).collect()
}

/// `aws-chunked` says how the body travels; it is no property of the object.
pub(super) fn own_encoding(encoding: Option<&str>) -> Option<String> {
    let rest: Vec<_> =
        encoding?.split(',').map(str::trim).filter(|one| !one.is_empty() && !one.eq_ignore_ascii_case("aws-chunked")).collect();
    (!rest.is_empty()).then(|| rest.join(","))
}

/// The condition of a write.
pub(super) fn condition(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::Always),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Condition::Etag(etag.into_value())),
        _ => Err(s3_error!(NotImplemented, "of If-None-Match only * is supported, and not together with If-Match")),
    }
}

#[async_trait::async_trait]
impl S3 for Operations {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        if input.write_offset_bytes.is_some() {
            return Err(s3_error!(NotImplemented, "objects are not appended to"));
        }
        let condition = condition(input.if_match.clone(), input.if_none_match.clone())?;
        let attributes = attributes!(input);
        let declared = Declared::new(
            &request.headers,
            input.content_length,
            input.content_md5.clone(),
            sums!(input),
            named_algorithm(input.checksum_algorithm.as_ref())?,
        )?;
        let (bucket, key) = (input.bucket, input.key);
        let name = bucket.clone();
        self.blocking(move |store| store.bucket(&name).map(drop)).await?;
        let sealed = self.receive(input.body, declared, request.trailing_headers).await?;
        let meta = self.blocking(move |store| store.put(sealed, (&bucket, &key), attributes, Identity::Body, &condition)).await?;
        let sums = dto_checksums(&meta.checksums);
        Ok(S3Response::new(PutObjectOutput {
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            e_tag: Some(etag(&meta)),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.get(request.input).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.head(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let condition = condition(input.if_match, None)?;
        self.blocking(move |store| store.delete(&input.bucket, &input.key, &condition)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, request: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        if input.delete.objects.len() > DELETE_MAX {
            return Err(s3_error!(MalformedXML, "more than 1000 keys"));
        }
        let quiet = input.delete.quiet.unwrap_or_default();
        let (deleted, errors) = self
            .blocking(move |store| {
                store.bucket(&input.bucket)?;
                let (mut deleted, mut errors) = (Vec::new(), Vec::new());
                for object in input.delete.objects {
                    let condition = match object.e_tag {
                        Some(etag) => Condition::Etag(etag.into_value()),
                        None => Condition::Always,
                    };
                    match store.delete(&input.bucket, &object.key, &condition) {
                        Ok(()) if quiet => {}
                        Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..Default::default() }),
                        Err(error) => {
                            let error = s3s::S3Error::from(error);
                            errors.push(Error {
                                code: Some(error.code().as_str().to_owned()),
                                key: Some(object.key),
                                message: error.message().map(str::to_owned),
                                ..Default::default()
                            });
                        }
                    }
                }
                Ok((deleted, errors))
            })
            .await?;
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..Default::default() }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, .. } = input.copy_source.clone() else {
            return Err(s3_error!(NotImplemented, "only bucket/key is a source"));
        };
        let replace = input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        if *from_bucket == *input.bucket && *from_key == *input.key && !replace {
            return Err(s3_error!(InvalidRequest, "a copy onto itself must replace the metadata"));
        }
        let new = replace.then(|| attributes!(input));
        let also = named_algorithm(input.checksum_algorithm.as_ref())?;
        let wanted_etag = match input.copy_source_if_match {
            Some(ETagCondition::ETag(etag)) => Some(etag.into_value()),
            _ => None,
        };
        let (bucket, key) = (input.bucket, input.key);
        let meta = self
            .blocking(move |store| {
                let source = store.open_object(&from_bucket, &from_key)?;
                if wanted_etag.is_some_and(|wanted| wanted != source.meta.etag) {
                    return Err(StoreError::PreconditionFailed);
                }
                let wanted: Vec<_> = also.into_iter().collect();
                let mut writer = store.writer(&wanted)?;
                let mut body = source.file.take(source.meta.body_bytes);
                let mut buffer = vec![0; COPY_BYTES];
                loop {
                    let length = body.read(&mut buffer)?;
                    if length == 0 {
                        break;
                    }
                    writer.write(&buffer[..length])?;
                }
                let sealed = writer.seal_copy(&source.meta)?;
                let attributes: Attributes = new.unwrap_or(source.meta.attributes);
                let identity = match also {
                    Some(_) => Identity::Body,
                    None => Identity::Copy { checksums: source.meta.checksums },
                };
                store.put(sealed, (&bucket, &key), attributes, identity, &Condition::Always)
            })
            .await?;
        let sums = dto_checksums(&meta.checksums);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                checksum_crc32: sums.checksum_crc32,
                checksum_crc32c: sums.checksum_crc32c,
                checksum_crc64nvme: sums.checksum_crc64nvme,
                checksum_sha1: sums.checksum_sha1,
                checksum_sha256: sums.checksum_sha256,
                checksum_type: sums.checksum_type,
                e_tag: Some(etag(&meta)),
                last_modified: Some(timestamp(meta.last_modified)),
            }),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.list(request.input).await
    }

    async fn list_buckets(&self, request: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let prefix = request.input.prefix.clone().unwrap_or_default();
        let buckets = self.store.buckets().into_iter();
        let buckets = buckets.filter(|(name, _)| name.starts_with(&prefix)).map(|(name, created)| Bucket {
            creation_date: Some(timestamp(created)),
            name: Some(name),
            ..Default::default()
        });
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets.collect()), prefix: request.input.prefix, ..Default::default() }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.store.bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(&self, request: S3Request<GetBucketLocationInput>) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.store.bucket(&request.input.bucket)?;
        // No constraint: what S3 says of its first region, and any region's signature is accepted here.
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.create(request.input).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete(request.input).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.blocking(move |store| store.abort_upload(&input.bucket, &input.key, &input.upload_id)).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts(request.input).await
    }
}
