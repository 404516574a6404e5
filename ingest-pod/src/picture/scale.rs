//! Shrinking, plane by plane and before the colours are converted: fewer pixels to convert.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::{Error, Plane, Raw, Size};

/// Brings pictures to a smaller size in buffers of its own.
#[derive(Debug, Default)]
pub(super) struct Scaler {
    resizer: Resizer,
    planes: [Vec<u8>; 3],
}

impl Scaler {
    /// The same picture at `target`, or untouched where that is not smaller.
    pub(super) fn scale<'p>(&'p mut self, raw: &Raw<'p>, target: Size) -> Result<Raw<'p>, Error> {
        let target = target.min(raw.size);
        if target == raw.size {
            return Ok(*raw);
        }
        let mut scaled = Raw {
            size: target,
            ..*raw
        };
        let geometry = raw.geometry().zip(scaled.geometry());
        let planes = scaled.planes.iter_mut().zip(&mut self.planes);
        for (((from, bytes_each), (to, _)), (plane, buffer)) in geometry.zip(planes) {
            let stride = to.width as usize * bytes_each;
            buffer.resize(stride * to.height as usize, 0);
            let shrunk = if bytes_each == 2 {
                shrink::<U8x2>(&mut self.resizer, *plane, from, buffer, to)
            } else {
                shrink::<U8>(&mut self.resizer, *plane, from, buffer, to)
            };
            shrunk.map_err(|reason| Error::Scale { target, reason })?;
            *plane = Plane::new(buffer, stride);
        }
        Ok(scaled)
    }
}

/// A triangle as wide as the step between output pixels: no aliasing, and half the cost of a cubic.
const FILTER: ResizeAlg = ResizeAlg::Convolution(FilterType::Bilinear);

fn shrink<P: PixelTrait>(
    resizer: &mut Resizer,
    plane: Plane<'_>,
    from: Size,
    buffer: &mut [u8],
    to: Size,
) -> Result<(), String> {
    let columns = (plane.stride / P::size()) as u32;
    let bytes = plane.stride * from.height as usize;
    let data = plane.data.get(..bytes).ok_or("the plane is too short")?;
    let rows =
        TypedImageRef::<P>::from_buffer(columns, from.height, data).map_err(|e| e.to_string())?;
    // A cropped view rather than a crop box: the filter must not reach into the padding of a row.
    let view = TypedCroppedImage::from_ref(&rows, 0, 0, from.width, from.height)
        .map_err(|e| e.to_string())?;
    let mut small =
        TypedImage::<P>::from_buffer(to.width, to.height, buffer).map_err(|e| e.to_string())?;
    let options = ResizeOptions::new().resize_alg(FILTER).use_alpha(false);
    resizer
        .resize_typed(&view, &mut small, &options)
        .map_err(|e| e.to_string())
}
