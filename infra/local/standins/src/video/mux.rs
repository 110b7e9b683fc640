//! Samples into an MP4 file.

use super::{FilmError, Sample, Shot};
use muxide::api::{AacProfile, AudioCodec, MuxerBuilder, VideoCodec};

/// Samples a second of the silence.
const AUDIO_RATE: u32 = 48_000;
/// Samples in one AAC frame.
const AUDIO_FRAME: u32 = 1_024;
/// One stereo AAC-LC frame of silence at 48 kHz: a header (ADTS, 7 bytes) that says how long it is, then one channel
/// pair whose spectra are empty.
const SILENCE: [u8; 16] = [0xFF, 0xF1, 0x4C, 0x80, 0x02, 0x1F, 0xFC, 0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];

/// The file of these samples at the shot's rate.
pub(super) fn mp4<'a>(samples: impl Iterator<Item = &'a Sample>, shot: Shot) -> Result<Vec<u8>, FilmError> {
    let rate = f64::from(shot.fps);
    let mut builder =
        MuxerBuilder::new(Vec::new()).video(VideoCodec::H264, shot.width, shot.height, rate).with_fast_start(shot.index_first);
    if shot.audio {
        builder = builder.audio(AudioCodec::Aac(AacProfile::Lc), AUDIO_RATE, 2);
    }
    let mut muxer = builder.build()?;
    for (i, sample) in (0_u32..).zip(samples) {
        muxer.write_video(f64::from(i) / rate, &sample.data, sample.key)?;
    }
    if shot.audio {
        for i in 0..(shot.seconds * AUDIO_RATE).div_ceil(AUDIO_FRAME) {
            muxer.write_audio(f64::from(i * AUDIO_FRAME) / f64::from(AUDIO_RATE), &SILENCE)?;
        }
    }
    muxer.finish_in_place()?;
    Ok(muxer.into_writer())
}
