//! Pictures through the whole of it: planes in, JPEG out, and what a viewer then sees.

use turbojpeg::PixelFormat;

use super::jpeg::{Decoder, inspect};
use super::{Colour, Depth, Encoder, Layout, Matrix, Plane, Range, Raw, Size, fit};

const LAYOUTS: [Layout; 8] = [
    Layout::I420,
    Layout::I422,
    Layout::I444,
    Layout::I440,
    Layout::I411,
    Layout::I441,
    Layout::Nv12,
    Layout::Gray8,
];
const RANGES: [Range; 2] = [Range::Full, Range::Limited];
const MATRICES: [Matrix; 5] = [
    Matrix::Bt601,
    Matrix::Bt709,
    Matrix::Bt2020,
    Matrix::Fcc,
    Matrix::Smpte240m,
];

/// Planes of a camera, their rows longer than the picture is wide and rubbish in what is too much.
struct Camera {
    layout: Layout,
    depth: Depth,
    size: Size,
    colour: Colour,
    planes: Vec<(Vec<u8>, usize)>,
}

impl Camera {
    /// A camera that looks at `scene`: red, green and blue from 0 to 255 by column and row.
    fn new(
        layout: Layout,
        size: Size,
        colour: Colour,
        scene: impl Fn(u32, u32) -> [f64; 3],
    ) -> Self {
        Self::deep(layout, Depth::Eight, size, colour, scene)
    }

    /// The same with samples of any depth.
    fn deep(
        layout: Layout,
        depth: Depth,
        size: Size,
        colour: Colour,
        scene: impl Fn(u32, u32) -> [f64; 3],
    ) -> Self {
        // Bits of a sample, and of the rubbish-free room below it.
        let (bits, room) = match depth {
            Depth::Eight => (8, 0),
            Depth::Low(bits) => (bits, 0),
            Depth::High => (10, 6),
        };
        let (across, down) = layout.subsampling();
        let plane = |component: usize| {
            let (across, down) = if component == 0 {
                (1, 1)
            } else {
                (across, down)
            };
            let stride = (size.width.div_ceil(across) as usize).next_multiple_of(16) + 16;
            let stride = stride * depth.bytes();
            let mut data = vec![0xAA; stride * size.height.div_ceil(down) as usize];
            for (y, row) in (0..).zip(data.chunks_exact_mut(stride)) {
                for x in 0..size.width.div_ceil(across) {
                    let value = to_yuv(colour, bits, scene(x * across, y * down))[component];
                    let bytes = (value << room).to_le_bytes();
                    let at = x as usize * depth.bytes();
                    row[at..at + depth.bytes()].copy_from_slice(&bytes[..depth.bytes()]);
                }
            }
            (data, stride)
        };
        let planes = match layout {
            Layout::Gray8 => vec![plane(0)],
            Layout::Nv12 => {
                let ((blue, stride), (red, _)) = (plane(1), plane(2));
                let both = blue
                    .chunks(depth.bytes())
                    .zip(red.chunks(depth.bytes()))
                    .flat_map(|(b, r)| [b, r].concat())
                    .collect();
                vec![plane(0), (both, 2 * stride)]
            }
            _ => (0..3).map(plane).collect(),
        };
        Self {
            layout,
            depth,
            size,
            colour,
            planes,
        }
    }

    fn picture(&self) -> Raw<'_> {
        let planes: Vec<_> = self
            .planes
            .iter()
            .map(|(data, stride)| Plane::new(data, *stride))
            .collect();
        Raw::deep(self.layout, self.depth, self.size, self.colour, &planes).unwrap()
    }
}

/// By the definition of each standard, in floating point; ITU-T H.273 8.3 for the depths.
fn to_yuv(colour: Colour, bits: u8, [r, g, b]: [f64; 3]) -> [u16; 3] {
    let (kr, kb) = match colour.matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
        Matrix::Fcc => (0.30, 0.11),
        Matrix::Smpte240m => (0.212, 0.087),
    };
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (cb, cr) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
    let step = f64::from(1_u32 << (bits - 8));
    let top = f64::from((1_u32 << bits) - 1);
    match colour.range {
        Range::Full => [
            y * top / 255.0,
            128.0 * step + cb * top / 255.0,
            128.0 * step + cr * top / 255.0,
        ],
        Range::Limited => [
            step * (16.0 + y * 219.0 / 255.0),
            step * (128.0 + cb * 224.0 / 255.0),
            step * (128.0 + cr * 224.0 / 255.0),
        ],
    }
    .map(|value| value.round().min(top) as u16)
}

/// What a viewer shows at a column and row.
fn pixel(jpeg: &[u8], x: usize, y: usize) -> [u8; 3] {
    let image = turbojpeg::decompress(jpeg, PixelFormat::RGB).unwrap();
    let at = y * image.pitch + 3 * x;
    [image.pixels[at], image.pixels[at + 1], image.pixels[at + 2]]
}

fn every_kind() -> impl Iterator<Item = (Layout, Colour)> {
    LAYOUTS.into_iter().flat_map(|layout| {
        RANGES
            .into_iter()
            .flat_map(move |range| MATRICES.map(|matrix| (layout, Colour { range, matrix })))
    })
}

#[test]
fn a_jpeg_shows_the_colours_that_the_camera_saw() {
    let patches = [
        [0.0, 0.0, 0.0],
        [255.0, 255.0, 255.0],
        [128.0, 128.0, 128.0],
        [200.0, 40.0, 40.0],
        [40.0, 180.0, 60.0],
        [50.0, 60.0, 210.0],
        [220.0, 170.0, 130.0],
        [235.0, 16.0, 235.0],
    ];
    for (layout, colour) in every_kind() {
        let scene = |x: u32, _| {
            let seen: [f64; 3] = patches[x as usize / 16];
            if layout == Layout::Gray8 {
                [seen[1]; 3]
            } else {
                seen
            }
        };
        let camera = Camera::new(layout, Size::new(128, 32), colour, scene);
        let jpeg = Encoder::new()
            .unwrap()
            .encode(&camera.picture(), camera.size, 100)
            .unwrap();
        for n in 0..8 {
            let seen = scene(16 * n as u32, 0);
            let shown = pixel(&jpeg, 16 * n + 8, 16);
            let off = (0..3)
                .map(|c| (f64::from(shown[c]) - seen[c]).abs())
                .fold(0.0, f64::max);
            assert!(off <= 3.0, "{layout:?} {colour:?}: {shown:?} for {seen:?}");
        }
    }
}

#[test]
fn deep_samples_show_the_same_colours_at_any_size() {
    let size = Size::new(128, 64);
    let patches = [[255.0; 3], [0.0; 3], [46.0; 3], [220.0, 170.0, 130.0]];
    for (depth, (layout, colour)) in [Depth::Low(10), Depth::High, Depth::Low(12)]
        .into_iter()
        .flat_map(|depth| every_kind().map(move |kind| (depth, kind)))
    {
        let scene = |x: u32, _| {
            let seen: [f64; 3] = patches[x as usize / 32];
            if layout == Layout::Gray8 {
                [seen[1]; 3]
            } else {
                seen
            }
        };
        let camera = Camera::deep(layout, depth, size, colour, scene);
        let mut encoder = Encoder::new().unwrap();
        for target in [size, Size::new(64, 32)] {
            let jpeg = encoder.encode(&camera.picture(), target, 100).unwrap();
            for n in 0..4 {
                let seen = scene(32 * n as u32, 0);
                let at = target.width as usize / 8 * (2 * n + 1);
                let shown = pixel(&jpeg, at, target.height as usize / 2);
                let close = (0..3).all(|c| (f64::from(shown[c]) - seen[c]).abs() <= 3.0);
                assert!(
                    close,
                    "{depth:?} {layout:?} {colour:?}: {shown:?} for {seen:?}"
                );
            }
        }
    }
}

#[test]
fn a_large_picture_is_compressed_in_strips_that_leave_no_seam() {
    let subsampling = [
        turbojpeg::Subsamp::Sub2x2,
        turbojpeg::Subsamp::Sub2x1,
        turbojpeg::Subsamp::None,
        turbojpeg::Subsamp::Sub1x2,
        turbojpeg::Subsamp::Sub4x1,
        turbojpeg::Subsamp::Sub1x4,
    ];
    for size in [Size::new(1920, 1080), Size::new(1283, 333)] {
        for (layout, subsamp) in LAYOUTS.into_iter().zip(subsampling) {
            let scene = |x, y| {
                [
                    f64::from(x % 256),
                    f64::from(y % 256),
                    f64::from((x + y) % 256),
                ]
            };
            let camera = Camera::new(layout, size, Colour::JFIF, scene);
            let joined = Encoder::new()
                .unwrap()
                .encode(&camera.picture(), size, 80)
                .unwrap();
            let [y, u, v] = camera.picture().planes;
            let padded = layout.padded(size);
            let luma: Vec<u8> = (0..padded.height)
                .flat_map(|row| {
                    let from = row.min(size.height - 1) as usize * y.stride;
                    (0..padded.width).map(move |x| y.data[from + x.min(size.width - 1) as usize])
                })
                .collect();
            let at_once = turbojpeg::compress_yuv_planes(
                &turbojpeg::YuvPlanesImage {
                    y_plane: &luma[..],
                    u_plane: u.data,
                    v_plane: v.data,
                    width: size.width as usize,
                    height: size.height as usize,
                    y_stride: padded.width as usize,
                    u_stride: u.stride,
                    v_stride: v.stride,
                    subsamp,
                },
                80,
            )
            .unwrap();
            let info = inspect(&joined).unwrap();
            assert_eq!((info.size, info.layout), (size, Some(layout)));
            assert!(info.restart_interval > 0, "{layout:?} {size} is one strip");
            let shown = |jpeg: &[u8]| {
                turbojpeg::decompress(jpeg, PixelFormat::RGB)
                    .unwrap()
                    .pixels
            };
            assert!(shown(&joined) == shown(&at_once), "{layout:?} {size}");
        }
    }
}

#[test]
fn chroma_keeps_its_resolution() {
    for (layout, subsamp) in LAYOUTS.into_iter().zip([
        turbojpeg::Subsamp::Sub2x2,
        turbojpeg::Subsamp::Sub2x1,
        turbojpeg::Subsamp::None,
        turbojpeg::Subsamp::Sub1x2,
        turbojpeg::Subsamp::Sub4x1,
        turbojpeg::Subsamp::Sub1x4,
        turbojpeg::Subsamp::Sub2x2,
        turbojpeg::Subsamp::Gray,
    ]) {
        let camera = Camera::new(layout, Size::new(64, 48), Colour::JFIF, |_, _| [90.0; 3]);
        let jpeg = Encoder::new()
            .unwrap()
            .encode(&camera.picture(), camera.size, 80)
            .unwrap();
        assert_eq!(
            turbojpeg::read_header(&jpeg).unwrap().subsamp,
            subsamp,
            "{layout:?}"
        );
    }
}

#[test]
fn odd_sizes_come_out_as_they_are() {
    let limited = Colour {
        range: Range::Limited,
        matrix: Matrix::Bt709,
    };
    for (width, height) in [(1, 1), (2, 1), (1, 2), (3, 5), (17, 33), (321, 241)] {
        let size = Size::new(width, height);
        for (layout, colour) in LAYOUTS
            .into_iter()
            .flat_map(|layout| [(layout, limited), (layout, Colour::JFIF)])
        {
            let camera = Camera::new(layout, size, colour, |_, _| [200.0; 3]);
            let jpeg = Encoder::new()
                .unwrap()
                .encode(&camera.picture(), size, 90)
                .unwrap();
            let header = turbojpeg::read_header(&jpeg).unwrap();
            assert_eq!(
                (header.width, header.height),
                (width as usize, height as usize),
                "{layout:?}"
            );
            let corner = pixel(&jpeg, header.width - 1, header.height - 1);
            assert!(
                corner.iter().all(|c| c.abs_diff(200) <= 2),
                "{layout:?} {size}: {corner:?}"
            );
        }
    }
}

#[test]
fn a_smaller_picture_shows_the_same_and_nothing_beyond_its_edges() {
    let source = Size::new(322, 180);
    for (layout, colour) in every_kind() {
        let scene = |x, _| if x < 160 { [0.0; 3] } else { [255.0; 3] };
        let camera = Camera::new(layout, source, colour, scene);
        let mut encoder = Encoder::new().unwrap();
        for target in [
            fit(source, Some(160), None),
            fit(source, None, Some(120)),
            Size::new(81, 45),
        ] {
            let jpeg = encoder.encode(&camera.picture(), target, 100).unwrap();
            let header = turbojpeg::read_header(&jpeg).unwrap();
            assert_eq!(
                (header.width, header.height),
                (target.width as usize, target.height as usize)
            );
            for (x, seen) in [
                (0, 0),
                (header.width / 4, 0),
                (header.width * 3 / 4, 255),
                (header.width - 1, 255),
            ] {
                let shown = pixel(&jpeg, x, header.height - 1);
                assert!(
                    shown.iter().all(|c| c.abs_diff(seen) <= 4),
                    "{layout:?} {colour:?} {target} at {x}: {shown:?}"
                );
            }
        }
    }
}

#[test]
fn a_jpeg_camera_keeps_its_colours_when_it_is_made_smaller() {
    let source = Size::new(322, 182);
    let (left, right) = ([200.0, 40.0, 40.0], [40.0, 180.0, 60.0]);
    for layout in LAYOUTS {
        let camera = Camera::new(layout, source, Colour::JFIF, |x, _| {
            if x < 160 { left } else { right }
        });
        let mut encoder = Encoder::new().unwrap();
        let sent = encoder.encode(&camera.picture(), source, 100).unwrap();
        let mut decoder = Decoder::new().unwrap();
        for width in [322, 240, 160, 80, 40] {
            let target = fit(source, Some(width), None);
            let smaller = encoder
                .encode(&decoder.decode(&sent, target).unwrap(), target, 100)
                .unwrap();
            for quarter in [1, 3] {
                let expected = pixel(&sent, 322 * quarter / 4, 90);
                let shown = pixel(
                    &smaller,
                    (target.width as usize) * quarter / 4,
                    target.height as usize / 2,
                );
                let close = expected.iter().zip(shown).all(|(a, b)| a.abs_diff(b) <= 3);
                assert!(close, "{layout:?} {target}: {shown:?} for {expected:?}");
            }
        }
    }
}

#[test]
fn a_picture_is_never_enlarged() {
    let camera = Camera::new(Layout::I420, Size::new(64, 48), Colour::JFIF, |_, _| {
        [90.0; 3]
    });
    let jpeg = Encoder::new()
        .unwrap()
        .encode(&camera.picture(), Size::new(640, 480), 80)
        .unwrap();
    let header = turbojpeg::read_header(&jpeg).unwrap();
    assert_eq!((header.width, header.height), (64, 48));
}

#[test]
fn one_encoder_follows_a_camera_that_changes_its_mode() {
    let mut encoder = Encoder::new().unwrap();
    for (layout, size) in [
        (Layout::I420, Size::new(320, 240)),
        (Layout::Nv12, Size::new(63, 47)),
        (Layout::I444, Size::new(640, 360)),
        (Layout::Gray8, Size::new(33, 21)),
        (Layout::I420, Size::new(320, 240)),
    ] {
        let limited = Colour {
            range: Range::Limited,
            matrix: Matrix::Bt709,
        };
        let camera = Camera::new(layout, size, limited, |_, _| [60.0; 3]);
        let jpeg = encoder.encode(&camera.picture(), size, 90).unwrap();
        let corner = pixel(&jpeg, size.width as usize - 1, size.height as usize - 1);
        assert!(
            corner.iter().all(|c| c.abs_diff(60) <= 2),
            "{layout:?} {size}: {corner:?}"
        );
    }
}

#[test]
fn planes_that_cannot_hold_the_picture_are_refused() {
    let size = Size::new(16, 16);
    let short = [0; 16 * 16 - 1];
    let refused = |layout, size, planes: &[Plane<'_>]| {
        Raw::new(layout, size, Colour::JFIF, planes)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(Layout::Gray8, size, &[Plane::new(&short, 16)]),
        "Gray8 picture of 16x16: a plane is shorter than its rows"
    );
    assert_eq!(
        refused(Layout::I420, size, &[Plane::new(&short, 16)]),
        "I420 picture of 16x16: wrong number of planes"
    );
    assert_eq!(
        refused(Layout::Gray8, Size::new(0, 16), &[Plane::new(&short, 16)]),
        "Gray8 picture of 0x16: a side is 0 or above 65500"
    );
}
