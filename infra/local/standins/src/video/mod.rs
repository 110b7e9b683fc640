//! Films: a drawn scene or a source picture that moves slowly, as H.264 in MP4 with a silent AAC track.
//!
//! Only a few seconds are encoded. They form a closed loop and begin with a key frame, so the rest of the film repeats
//! their bytes: any length costs the same. Deliberately absent: sound, and motion that means anything.

mod frames;
mod mux;

#[cfg(test)]
mod tests;

pub(crate) use frames::Subject;

use crate::draw::ScaleError;
use rusty_h264_common::{Profile, YuvFrame};
use rusty_h264_encoder::{EncodeError, Encoder, EncoderConfig, Preset};

/// Most pixels encoded for one loop: about two seconds of work on one core.
const LOOP_PIXELS: u64 = 110_000_000;
/// Longest loop in seconds: slower would look like a still.
const LOOP_SECONDS: u32 = 4;

/// What a film is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shot {
    /// Width and height in pixels, both even.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Frames per second.
    pub(crate) fps: u32,
    /// Length in seconds.
    pub(crate) seconds: u32,
    /// Whether there is a track of silence.
    pub(crate) audio: bool,
    /// Whether the index comes before the media, as streaming likes it.
    pub(crate) index_first: bool,
}

/// Why there is no film.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilmError {
    #[error("a frame can't be scaled")]
    Scale(#[from] ScaleError),
    #[error("a frame can't be encoded ({0:?})")]
    Encode(EncodeError),
    #[error("the film can't be put together")]
    Mux(#[from] muxide::api::MuxerError),
}

/// An encoded frame in Annex B form. The first of each run of frames is a key frame.
struct Sample {
    data: Vec<u8>,
    key: bool,
}

impl Shot {
    fn frames(&self) -> u32 {
        self.fps * self.seconds
    }

    /// How many frames make one loop: at least a second, at least two frames, and not more than the film has.
    fn loop_frames(&self) -> u32 {
        let affordable = LOOP_PIXELS / (u64::from(self.width) * u64::from(self.height)).max(1);
        let affordable = u32::try_from(affordable).unwrap_or(u32::MAX);
        affordable.clamp(self.fps, self.fps * LOOP_SECONDS).min(self.frames()).max(2)
    }
}

/// The MP4 file of `subject`, marked with the beginning of `prompt`.
///
/// # Errors
/// When the encoder or the muxer refuses the size.
pub(crate) fn film(subject: &Subject, prompt: &str, shot: Shot) -> Result<Vec<u8>, FilmError> {
    let painter = frames::Painter::new(subject, prompt, shot)?;
    let (total, looped) = (shot.frames(), shot.loop_frames());
    let mut samples = Vec::new();
    if painter.fades() && total > looped {
        // The loop repeats up to the last stretch, in which the end picture comes in.
        let body = encode(&painter, shot, looped, false)?;
        let stretch = encode(&painter, shot, looped, true)?;
        let repeated = usize::try_from(total - looped).unwrap_or(0);
        samples.extend(body.iter().cycle().take(repeated));
        return mux::mp4(samples.into_iter().chain(&stretch), shot);
    }
    let fades = painter.fades();
    let body = encode(&painter, shot, looped, fades)?;
    samples.extend(body.iter().cycle().take(usize::try_from(total).unwrap_or(0)));
    mux::mp4(samples.into_iter(), shot)
}

/// Encodes one run of `count` frames, from the loop's beginning to its end.
fn encode(painter: &frames::Painter<'_>, shot: Shot, count: u32, fade: bool) -> Result<Vec<Sample>, FilmError> {
    let side = |pixels: u32| usize::try_from(pixels).unwrap_or(0);
    let mut config = EncoderConfig::new(side(shot.width), side(shot.height));
    config.profile = Profile::Main; // The widest support among decoders that know CABAC.
    config.level_idc = level(shot);
    config.preset = Preset::Fast;
    config.qp = 27;
    config.gop_size = count.saturating_add(1);
    config.scenecut = 0;
    config.mbtree = false; // Its look-ahead would double the time.
    config.num_ref_frames = 1;
    #[expect(clippy::cast_precision_loss, reason = "a frame rate")]
    let rate = shot.fps as f32;
    config.framerate = rate;
    let mut encoder = Encoder::new(config).map_err(FilmError::Encode)?;
    let mut samples = Vec::new();
    for i in 0..count {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred frames")]
        let phase = i as f32 / count as f32;
        let frame: YuvFrame = painter.paint(phase, fade)?;
        let data = encoder.try_encode(&frame).map_err(FilmError::Encode)?;
        samples.push(Sample { data, key: i == 0 });
    }
    Ok(samples)
}

/// The lowest level of H.264 that allows the size and the rate (ITU-T H.264, table A-1).
fn level(shot: Shot) -> u8 {
    /// Level, macroblocks a second, macroblocks a frame.
    const LEVELS: &[(u8, u32, u32)] = &[
        (30, 40_500, 1_620),
        (31, 108_000, 3_600),
        (32, 216_000, 5_120),
        (40, 245_760, 8_192),
        (42, 522_240, 8_704),
        (50, 589_824, 22_080),
        (51, 983_040, 36_864),
    ];
    let frame = shot.width.div_ceil(16) * shot.height.div_ceil(16);
    let fits = |(_, rate, size): &&(u8, u32, u32)| frame * shot.fps <= *rate && frame <= *size;
    LEVELS.iter().find(fits).map_or(52, |(level, _, _)| *level)
}
