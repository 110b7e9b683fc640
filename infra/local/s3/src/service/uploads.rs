//! Multipart uploads.

use super::Operations;
use super::body::Declared;
use super::objects::{attributes, condition, sums};
use super::read::{dto_checksums, etag, timestamp};
use crate::store::{Algorithm, CompleteParts, Expected, NewUpload, PartRef, StoreError, Upload};
use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, ListPartsInput, ListPartsOutput, Part, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

/// What S3 returns at most in one page.
const PAGE_MAX: usize = 1000;

impl Operations {
    pub(super) async fn create(&self, input: CreateMultipartUploadInput) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let algorithm = named_algorithm(input.checksum_algorithm.as_ref())?;
        let kind = input.checksum_type.as_ref().map(ChecksumType::as_str);
        // The default of S3: this one algorithm has no composite form.
        let full_object = match kind {
            Some(kind) => kind == ChecksumType::FULL_OBJECT,
            None => algorithm == Some(Algorithm::Crc64nvme),
        };
        if full_object && matches!(algorithm, Some(Algorithm::Sha1 | Algorithm::Sha256)) {
            return Err(s3_error!(InvalidRequest, "this algorithm has no checksum of the full object"));
        }
        let new = NewUpload { attributes: attributes!(input), bucket: input.bucket, key: input.key, algorithm, full_object };
        let upload = self.blocking(move |store| store.create_upload(new)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            checksum_algorithm: algorithm_dto(&upload),
            checksum_type: type_dto(&upload),
            bucket: Some(upload.bucket),
            key: Some(upload.key),
            upload_id: Some(upload.id),
            ..Default::default()
        }))
    }

    pub(super) async fn part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let number = u32::try_from(input.part_number).map_err(|_| StoreError::InvalidPartNumber)?;
        let checksums = sums!(input);
        let (bucket, key, id) = (input.bucket, input.key, input.upload_id);
        let upload = self.blocking(move |store| store.upload(&bucket, &key, &id)).await?;
        let declared = Declared::new(&request.headers, input.content_length, input.content_md5, checksums, upload.algorithm)?;
        let sealed = self.receive(input.body, declared, request.trailing_headers).await?;
        let meta = self.blocking(move |store| store.put_part(&upload, number, sealed)).await?;
        let sums = dto_checksums(&meta.checksums);
        Ok(S3Response::new(UploadPartOutput {
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            e_tag: Some(etag(&meta)),
            ..Default::default()
        }))
    }

    pub(super) async fn complete(&self, input: CompleteMultipartUploadInput) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let parts = input.multipart_upload.and_then(|upload| upload.parts);
        let request = CompleteParts {
            condition: condition(input.if_match, input.if_none_match)?,
            expected: Expected {
                length: input.mpu_object_size.and_then(|length| u64::try_from(length).ok()),
                md5: None,
                checksums: sums!(input),
            },
            bucket: input.bucket,
            key: input.key,
            id: input.upload_id,
            parts: parts.unwrap_or_default().into_iter().map(part_ref).collect::<Result<_, _>>()?,
        };
        let meta = self.blocking(move |store| store.complete_upload(&request)).await?;
        let sums = dto_checksums(&meta.checksums);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", meta.bucket, meta.key)),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            e_tag: Some(etag(&meta)),
            bucket: Some(meta.bucket),
            key: Some(meta.key),
            ..Default::default()
        }))
    }

    pub(super) async fn parts(&self, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
        let max = input.max_parts.unwrap_or(PAGE_MAX as i32);
        let max = usize::try_from(max).unwrap_or_default().min(PAGE_MAX);
        let marker = input.part_number_marker.unwrap_or_default();
        let after = u32::try_from(marker).unwrap_or_default();
        let (bucket, key, id) = (input.bucket, input.key, input.upload_id);
        let (upload, mut parts) = self
            .blocking(move |store| {
                let upload = store.upload(&bucket, &key, &id)?;
                let parts = store.parts(&upload)?;
                Ok((upload, parts))
            })
            .await?;
        parts.retain(|(number, _)| *number > after);
        let is_truncated = parts.len() > max;
        parts.truncate(max);
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Ok(S3Response::new(ListPartsOutput {
            checksum_algorithm: algorithm_dto(&upload),
            checksum_type: type_dto(&upload),
            is_truncated: Some(is_truncated),
            max_parts: i32::try_from(max).ok(),
            next_part_number_marker: parts.last().map(|(last, _)| number(*last)),
            part_number_marker: Some(marker),
            parts: Some(
                parts
                    .into_iter()
                    .map(|(part, meta)| {
                        let sums = dto_checksums(&meta.checksums);
                        Part {
                            checksum_crc32: sums.checksum_crc32,
                            checksum_crc32c: sums.checksum_crc32c,
                            checksum_crc64nvme: sums.checksum_crc64nvme,
                            checksum_sha1: sums.checksum_sha1,
                            checksum_sha256: sums.checksum_sha256,
                            e_tag: Some(etag(&meta)),
                            last_modified: Some(timestamp(meta.last_modified)),
                            part_number: Some(number(part)),
                            size: i64::try_from(meta.body_bytes).ok(),
                        }
                    })
                    .collect(),
            ),
            bucket: Some(upload.bucket),
            key: Some(upload.key),
            upload_id: Some(upload.id),
            ..Default::default()
        }))
    }
}

fn part_ref(part: CompletedPart) -> Result<PartRef, StoreError> {
    let number = part.part_number.and_then(|number| u32::try_from(number).ok());
    Ok(PartRef {
        number: number.ok_or(StoreError::InvalidPartNumber)?,
        checksums: sums!(part),
        etag: part.e_tag.map(|etag: ETag| etag.value().to_owned()),
    })
}

pub(super) fn named_algorithm(named: Option<&ChecksumAlgorithm>) -> S3Result<Option<Algorithm>> {
    named
        .map(|named| Algorithm::from_name(named.as_str()).ok_or_else(|| s3_error!(InvalidRequest, "unknown checksum algorithm")))
        .transpose()
}

fn algorithm_dto(upload: &Upload) -> Option<ChecksumAlgorithm> {
    upload.algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name()))
}

fn type_dto(upload: &Upload) -> Option<ChecksumType> {
    upload.algorithm.map(|_| {
        ChecksumType::from_static(match upload.full_object {
            true => ChecksumType::FULL_OBJECT,
            false => ChecksumType::COMPOSITE,
        })
    })
}
