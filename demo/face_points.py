"""Landmarks of the portrait and the expressions, as tables.

The portrait is skimage.data.astronaut(); every coordinate is a pixel of that 512 x 512 picture (x, y), and was read
off it by hand. The expressions were set by eye.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Parameters of an expression, as differences from the relaxed face. Lengths in portrait pixels, y downwards.
PARAMETERS = (
    "mouth_half_width",  # added to the relaxed half width of the mouth
    "mouth_corner",  # corners moved down
    "mouth_open",  # gap between the lips at the middle
    "lip_thickness",  # added to the relative thickness of the lips (1 = as in the portrait)
    "teeth",  # how much of the upper teeth shows in the gap, 0..1
    "brow_inner",  # inner ends of the brows moved down
    "brow_middle",
    "brow_outer",
    "brow_squeeze",  # inner ends moved towards the nose
    "eye_open",  # added to the relative opening of the eyes (1 = as in the portrait)
    "lower_lid",  # lower lids moved up
    "cheek",  # cheeks moved up
    "fold",  # strength of the smile folds, 0..1 (1 = as in the portrait)
    "crease",  # strength of the crease between the brows, 0..1
)

EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "angry": {
        "mouth_half_width": -0.6,
        "mouth_corner": 1.8,
        "lip_thickness": -0.3,
        "teeth": 0.5,
        "brow_inner": 4.9,
        "brow_middle": 3.0,
        "brow_outer": -1.0,
        "brow_squeeze": 3.2,
        "eye_open": -0.14,
        "lower_lid": 0.8,
        "crease": 1.0,
        "fold": 0.35,
    },
    "happy": {
        "mouth_half_width": 5.5,
        "mouth_corner": -5.0,
        "mouth_open": 5.0,
        "lip_thickness": -0.05,
        "teeth": 1.0,
        "brow_middle": -0.6,
        "brow_outer": -0.5,
        "eye_open": -0.12,
        "lower_lid": 0.8,
        "cheek": 1.6,
        "fold": 1.0,
    },
    "sad": {
        "mouth_half_width": -1.6,
        "mouth_corner": 4.2,
        "lip_thickness": 0.05,
        "brow_inner": -4.2,
        "brow_middle": 0.4,
        "brow_outer": 3.0,
        "brow_squeeze": 1.4,
        "eye_open": -0.34,
        "cheek": -0.8,
        "fold": 0.1,
    },
    "worried": {
        "mouth_half_width": 2.6,
        "mouth_corner": 1.6,
        "mouth_open": 0.6,
        "lip_thickness": -0.36,
        "teeth": 0.5,
        "brow_inner": -4.4,
        "brow_middle": -1.4,
        "brow_outer": 0.8,
        "brow_squeeze": 3.0,
        "eye_open": 0.16,
        "fold": 0.25,
        "crease": 0.5,
    },
    "surprise": {
        "mouth_half_width": -3.6,
        "mouth_corner": 2.2,
        "mouth_open": 10.0,
        "teeth": 0.15,
        "brow_inner": -5.2,
        "brow_middle": -6.4,
        "brow_outer": -4.6,
        "eye_open": 0.42,
        "cheek": -0.6,
    },
}

# Landmarks of the portrait (x, y), left and right as the viewer sees them.
LEFT_LID_UPPER = np.array([(192.5, 101.2), (196, 99.6), (200, 98.4), (204, 98.6), (208, 100.2), (212.5, 103.8)])
LEFT_LID_LOWER = np.array([(192.5, 101.2), (196, 102.4), (200, 103.8), (204, 104.6), (208, 104.6), (212.5, 103.8)])
RIGHT_LID_UPPER = np.array([(236.0, 105.2), (240, 102.6), (244, 100.8), (249, 100.6), (254, 102.0), (258.5, 104.6)])
RIGHT_LID_LOWER = np.array([(236.0, 105.2), (240, 106.0), (244, 106.8), (249, 107.0), (254, 106.2), (258.5, 104.6)])
LEFT_BROW = np.array([(190, 90.5), (198, 88.3), (206, 90.0), (213, 92.5)])  # outer to inner
RIGHT_BROW = np.array([(262, 95.5), (254, 92.2), (246, 92.3), (238, 93.2)])
LIP_UPPER_INNER = np.array(
    [(203, 140), (207, 141), (211, 142), (216, 143), (224, 143.6), (232, 143.0), (237, 142.2), (241, 141.4), (245, 141)]
)
LIP_UPPER_OUTER = np.array(
    [(203, 139.4), (210, 138.9), (217, 138.6), (224, 139.6), (231, 138.8), (238, 139.2), (245, 140)]
)
LIP_LOWER_INNER = np.array(
    [
        (203, 140),
        (207, 144.4),
        (211, 147.6),
        (216, 149.8),
        (224, 150.4),
        (232, 149.6),
        (237, 147.2),
        (241, 144.6),
        (245, 141),
    ]
)
LIP_LOWER_OUTER = np.array(
    [(203, 141), (210, 149.4), (217, 153.4), (224, 154.6), (231, 153.8), (238, 149.6), (245, 142)]
)
CHEEKS = np.array([(196, 122), (253, 124), (194, 133), (256, 135)])
CHIN = np.array([(224, 177), (208, 172), (241, 172), (224, 164), (196, 163), (252, 163)])
NOSE = np.array([(223, 106), (225, 124), (213, 130), (235, 130.5), (224, 134)])
# Points which never move: hair, ears, neck, suit and the rim of the picture.
FIXED = np.array(
    [
        (183, 72),
        (205, 70),
        (225, 72),
        (245, 76),
        (266, 82),
        (176, 100),
        (181, 85),
        (270, 95),
        (274, 108),
        (172, 125),
        (274, 130),
        (182, 148),
        (264, 150),
        (192, 182),
        (224, 189),
        (252, 184),
        (150, 80),
        (300, 85),
        (225, 30),
        (150, 150),
        (300, 150),
        (225, 230),
        (60, 10),
        (390, 10),
        (60, 280),
        (390, 280),
    ],
    float,
)
SMILE_FOLDS = (
    ((207, 125.5), (202.5, 130.5), (197.5, 134), (196, 139)),
    ((241.5, 126), (245, 132), (249.5, 138), (250, 143)),
)

# Rough outline of the person, for the background mask.
PERSON_OUTLINE = np.array(
    [
        (153, 70),
        (160, 50),
        (190, 32),
        (225, 15),
        (262, 20),
        (292, 45),
        (303, 85),
        (296, 112),
        (271, 137),
        (263, 150),
        (256, 168),
        (300, 215),
        (305, 260),
        (350, 300),
        (360, 512),
        (0, 512),
        (60, 230),
        (115, 195),
        (130, 165),
        (182, 148),
        (178, 132),
        (160, 110),
        (152, 90),
    ]
)


def expression_vector(emotion: str) -> Array:
    """The parameters of an emotion at full intensity, in the order of PARAMETERS."""
    return np.array([EXPRESSIONS[emotion].get(name, 0.0) for name in PARAMETERS])
