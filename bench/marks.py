"""What the clips carry in their top left corner: the frame's number, and patches of known colours.

The number tells which frame a subscriber has got, whatever program sent it, so that its age can be
measured with the camera's clock; the patches tell whether its colours are right.
"""

BLOCK = 32  # pixels; a whole number of JPEG and H.264 blocks in luma and chroma
BITS = 12
# Limited-range BT.709 (ITU-R BT.709-6, 8 bit) of white, black, red, green, blue, and what they should become.
PATCHES = [
    ("white", (235, 128, 128), (255, 255, 255)),
    ("black", (16, 128, 128), (0, 0, 0)),
    ("red", (63, 102, 240), (255, 0, 0)),
    ("green", (173, 42, 26), (0, 255, 0)),
    ("blue", (32, 240, 118), (0, 0, 255)),
]
WIDTH = BLOCK * (BITS + len(PATCHES))
HEIGHT = BLOCK


def strip(number):
    """The marks of one frame as planar YUV 4:2:0."""
    blocks = [(235 if number >> bit & 1 else 16, 128, 128) for bit in range(BITS)]
    blocks += [yuv for _, yuv, _ in PATCHES]
    planes = []
    for plane, size in ((0, BLOCK), (1, BLOCK // 2), (2, BLOCK // 2)):
        row = b"".join(bytes([block[plane]]) * size for block in blocks)
        planes.append(row * size)
    return b"".join(planes)


def number_of(jpeg):
    """The number in a JPEG; None where it cannot be read."""
    import cv2
    import numpy

    # An eighth of the size is one pixel for each JPEG block: the decoder skips nearly all of its work.
    small = cv2.imdecode(numpy.frombuffer(jpeg, numpy.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    side = BLOCK // 8
    if small is None or small.shape[1] < side * BITS:
        return None
    middle = side // 2
    values = [int(small[middle, bit * side + middle]) for bit in range(BITS)]
    if any(64 < value < 192 for value in values):
        return None
    return sum((value > 128) << bit for bit, value in enumerate(values))


def colours_of(jpeg):
    """{patch: [red, green, blue]} as a decoder shows them."""
    import cv2
    import numpy

    picture = cv2.imdecode(numpy.frombuffer(jpeg, numpy.uint8), cv2.IMREAD_COLOR)
    if picture is None or picture.shape[1] < WIDTH:
        return {}
    found = {}
    for index, (name, _, _) in enumerate(PATCHES):
        left = (BITS + index) * BLOCK + BLOCK // 2
        patch = picture[BLOCK // 2 - 4 : BLOCK // 2 + 4, left - 4 : left + 4]
        blue, green, red = (round(float(value)) for value in patch.reshape(-1, 3).mean(axis=0))
        found[name] = [red, green, blue]
    return found


def off(colours, names=None):
    """How far the worst of these patches, or of all, is from what it should be."""
    return max(
        abs(is_ - should)
        for name, _, wanted in PATCHES
        if names is None or name in names
        for is_, should in zip(colours[name], wanted)
    )


def verdict(colours, tolerance=12):
    """In words: are they the camera's? The tolerance is what two lossy encoders may add up to."""
    if not colours:
        return "not seen"
    wrong = []
    if off(colours, {"white", "black"}) > tolerance:
        wrong.append(f"range wrong (white is {colours['white'][1]}, black {colours['black'][1]})")
    if off(colours, {"red", "green", "blue"}) > tolerance + (20 if wrong else 0):
        wrong.append(f"matrix wrong (green is {colours['green']})")
    return ", ".join(wrong) or f"right (within {off(colours)} of 255)"
