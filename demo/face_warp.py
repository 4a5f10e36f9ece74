"""Draw one portrait with an expression, an open mouth, a blink and a head pose.

The picture is skimage.data.astronaut() (Eileen Collins, NASA, public domain). Every coordinate here is a pixel of
that 512 x 512 picture; the landmarks are in face_points.py. The face is drawn in three skin layers (above the
eyes, eyes to mouth, below the mouth), each moved by its own thin-plate spline, so that lids and lips can part and
close without tearing; the eyeballs, the teeth and the dark of the mouth are drawn in the openings.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from face_points import (
    CHEEKS,
    CHIN,
    FIXED,
    LEFT_BROW,
    LEFT_LID_LOWER,
    LEFT_LID_UPPER,
    LIP_LOWER_INNER,
    LIP_LOWER_OUTER,
    LIP_UPPER_INNER,
    LIP_UPPER_OUTER,
    NOSE,
    PARAMETERS,
    PERSON_OUTLINE,
    RIGHT_BROW,
    RIGHT_LID_LOWER,
    RIGHT_LID_UPPER,
    SMILE_FOLDS,
    Array,
)
from numpy.typing import NDArray
from skimage import data

SIZE = 288  # width and height of the drawn frame, pixels
OVERSAMPLE = 2  # the portrait is enlarged this many times before sampling
GRID_STEP = 3.0  # spacing of the grid on which the splines are evaluated, portrait pixels
GRID_ORIGIN = (40.0, -20.0)
GRID_SHAPE = (106, 124)  # rows, columns: covers x 40..409, y -20..295

MOUTH_CENTRE = (224.0, 145.4)
MOUTH_RELAXED_HALF_WIDTH = 15.5
HEAD_CENTRE = np.array([224.0, 130.0])
CREASE_BGR = np.array([0.24, 0.19, 0.12])  # share of the light taken by a crease between the brows
CAVITY_BGR = np.array([24.0, 20.0, 44.0])


@dataclass(frozen=True)
class Look:
    """What stays the same through one clip: exposure, background and framing."""

    brightness: float  # added to every channel, 0..255 scale
    contrast: float  # factor around mid grey
    tint: tuple[float, float, float]  # background factors, blue green red
    zoom: float  # frame pixels for one portrait pixel
    shift: tuple[float, float]  # framing offset, portrait pixels
    mirror: bool


@dataclass(frozen=True)
class Pose:
    """Head pose and blink of one frame."""

    dx: float  # portrait pixels
    dy: float
    angle: float  # degrees, clockwise on the screen
    scale: float
    blink: float  # 0 open .. 1 shut
    gaze: tuple[float, float]  # portrait pixels


def _smoothstep(x: Array) -> Array:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


class _Spline:
    """Thin-plate spline from positions in the drawn face to displacements back into the portrait."""

    def __init__(self, columns: Array, rows: Array) -> None:
        self._x, self._y = columns, rows

    @staticmethod
    def _kernel(squared: Array) -> Array:
        return squared * np.log(squared + 1e-9)

    def grid(self, target: Array, source: Array) -> NDArray[np.float32]:
        """Displacement (dx, dy) on the coarse grid; exact at the target points."""
        n = len(target)
        scaled = target / 100.0
        system = np.zeros((n + 3, n + 3))
        delta = scaled[:, None, :] - scaled[None, :, :]
        system[:n, :n] = self._kernel((delta**2).sum(-1)) + 1e-6 * np.eye(n)
        system[:n, n] = 1.0
        system[:n, n + 1 :] = scaled
        system[n:, :n] = system[:n, n:].T
        right = np.zeros((n + 3, 2))
        right[:n] = source - target
        weights = np.linalg.solve(system, right)
        dx2 = (self._x[:, None] / 100.0 - scaled[None, :, 0]) ** 2  # columns x points
        dy2 = (self._y[:, None] / 100.0 - scaled[None, :, 1]) ** 2  # rows x points
        field = self._kernel(dy2[:, None, :] + dx2[None, :, :]) @ weights[:n]
        field += weights[n] + self._x[None, :, None] / 100.0 * weights[n + 1]
        field += self._y[:, None, None] / 100.0 * weights[n + 2]
        return field.astype(np.float32)


class Portrait:
    """The portrait prepared for one clip; draw() gives a frame."""

    def __init__(self, look: Look) -> None:
        self.look = look
        plain, relaxed = _textures(look.tint)
        self._plain, self._relaxed = plain, relaxed
        columns = GRID_ORIGIN[0] + GRID_STEP * np.arange(GRID_SHAPE[1])
        rows = GRID_ORIGIN[1] + GRID_STEP * np.arange(GRID_SHAPE[0])
        self._spline = _Spline(columns, rows)
        half = (SIZE - 1) / 2
        v, u = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
        self._frame_x = (u - half) / look.zoom + 224.0 + look.shift[0]
        self._frame_y = (v - half) / look.zoom + 116.0 + look.shift[1]

    def _face_coordinates(self, pose: Pose) -> tuple[Array, Array]:
        """Undo the head pose, which fades out towards the edge of the picture."""
        x, y = self._frame_x - HEAD_CENTRE[0], self._frame_y - HEAD_CENTRE[1]
        weight = 1.0 - _smoothstep((np.hypot(x, 0.9 * (y + 20)) - 75.0) / 75.0)
        angle = np.deg2rad(pose.angle)
        moved_x, moved_y = x - pose.dx, y - pose.dy
        back_x = (np.cos(angle) * moved_x + np.sin(angle) * moved_y) / pose.scale
        back_y = (-np.sin(angle) * moved_x + np.cos(angle) * moved_y) / pose.scale
        return self._frame_x + weight * (back_x - x), self._frame_y + weight * (back_y - y)

    def _sample(self, texture: Array, x: Array, y: Array) -> Array:
        scale, offset = OVERSAMPLE, (OVERSAMPLE - 1) / 2
        mapped = (np.float32(scale * x + offset), np.float32(scale * y + offset))
        return cv2.remap(texture, *mapped, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float64)

    def draw(self, parameters: Array, pose: Pose) -> NDArray[np.uint8]:
        """One BGR frame of SIZE x SIZE pixels."""
        p = dict(zip(PARAMETERS, parameters.tolist(), strict=True))
        mouth = _mouth(p)
        lids = [_lids(*eye, p, pose.blink) for eye in _EYES]
        layers = [self._spline.grid(*points) for points in _control_points(p, mouth, lids)]
        x, y = self._face_coordinates(pose)
        column = np.float32((x - GRID_ORIGIN[0]) / GRID_STEP)
        row = np.float32((y - GRID_ORIGIN[1]) / GRID_STEP)
        above, middle, below = (
            cv2.remap(f, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float64)
            for f in layers
        )
        under_eyes = _below_eyes(x, y, lids)[..., None]
        under_mouth = _below_mouth(x, y, mouth)[..., None]
        moved = above + under_eyes * (middle - above)
        moved += under_mouth * (below - moved)
        fold = float(np.clip(p["fold"], 0.0, 1.0))
        texture = cv2.addWeighted(self._plain, fold, self._relaxed, 1.0 - fold, 0.0)
        frame = self._sample(texture, x + moved[..., 0], y + moved[..., 1])
        frame *= 1.0 - np.clip(p["crease"], 0, 1) * _brow_crease(x, y)[..., None] * CREASE_BGR
        for (upper, lower), drawn in zip(_EYES, lids, strict=True):
            frame = self._draw_eye(frame, x, y, (upper, lower), drawn, pose.gaze)
        frame = self._draw_mouth(frame, x, y, mouth, p)
        frame = (frame - 128.0) * self.look.contrast + 128.0 + self.look.brightness
        if self.look.mirror:
            frame = frame[:, ::-1]
        return np.ascontiguousarray(np.clip(np.rint(frame), 0, 255).astype(np.uint8))

    def _draw_eye(
        self,
        frame: Array,
        x: Array,
        y: Array,
        source: tuple[Array, Array],
        drawn: tuple[Array, Array],
        gaze: tuple[float, float],
    ) -> Array:
        """Fill the gap between the lids: a lowered lid covers the eyeball, a raised one stretches it."""
        top, bottom = np.interp(x, *drawn[0].T), np.interp(x, *drawn[1].T)
        source_top, source_bottom = np.interp(x, *source[0].T), np.interp(x, *source[1].T)
        stretch = np.minimum(1.0, (source_bottom - source_top) / np.maximum(bottom - top, 1e-3))
        alpha = _opening(x, y, top, bottom, drawn[0][0, 0], drawn[0][-1, 0])[..., None]
        eye = self._sample(self._plain, x - gaze[0], source_bottom - (bottom - y) * stretch - gaze[1])
        return frame + alpha * (eye - frame)

    def _draw_mouth(self, frame: Array, x: Array, y: Array, mouth: tuple[Array, Array], p: dict[str, float]) -> Array:
        """Fill the gap between the lips with the dark of the mouth and some of the upper teeth."""
        top, bottom = np.interp(x, *mouth[0].T), np.interp(x, *mouth[1].T)
        left, right = mouth[0][0, 0], mouth[0][-1, 0]
        t = np.clip((x - left) / (right - left), 0.0, 1.0)
        source_x = 203.0 + 42.0 * t
        source_y = np.interp(source_x, *LIP_UPPER_INNER.T) + (y - top)
        teeth = self._sample(self._plain, source_x, source_y)
        length = 5.6 * np.clip(p["teeth"], 0, 1) * (1.0 - 0.6 * (2 * t - 1) ** 2)
        shown = _smoothstep((length - (y - top)) / 1.2) * _smoothstep((0.84 - np.abs(2 * t - 1)) / 0.14)
        shade = 0.94 - 0.3 * (2 * t - 1) ** 2
        tongue = _smoothstep((y - top - 6.0) / 8.0)[..., None] * np.array([26.0, 24.0, 62.0])
        inside = CAVITY_BGR + tongue
        inside = inside + shown[..., None] * (teeth * shade[..., None] - inside)
        alpha = _opening(x, y, top, bottom, left, right)[..., None]
        return frame + alpha * (inside - frame)


_EYES = ((LEFT_LID_UPPER, LEFT_LID_LOWER), (RIGHT_LID_UPPER, RIGHT_LID_LOWER))


def _opening(x: Array, y: Array, top: Array, bottom: Array, left: float, right: float) -> Array:
    """Soft mask of the gap between two curves."""
    soft = 0.8
    inside = _smoothstep((y - top) / soft + 0.5) * _smoothstep((bottom - y) / soft + 0.5)
    return inside * _smoothstep((x - left) / 1.5) * _smoothstep((right - x) / 1.5)


def _mouth(p: dict[str, float]) -> tuple[Array, Array]:
    """Inner edges of the drawn upper and lower lip."""
    half = MOUTH_RELAXED_HALF_WIDTH + p["mouth_half_width"]
    gap = max(p["mouth_open"], 0.0) + 0.5
    edges = []
    for source, share in ((LIP_UPPER_INNER, -0.22), (LIP_LOWER_INNER, 0.78)):
        t = (source[:, 0] - 203.0) / 21.0 - 1.0  # -1 left corner .. 1 right corner
        arch = 1.0 - t * t
        y = MOUTH_CENTRE[1] + 0.4 * t + p["mouth_corner"] * (1.0 - arch) + share * gap * np.sqrt(arch)
        edges.append(np.column_stack([MOUTH_CENTRE[0] + half * t, y]))
    return edges[0], edges[1]


def _lids(upper: Array, lower: Array, p: dict[str, float], blink: float) -> tuple[Array, Array]:
    """Edges of the drawn upper and lower lid."""
    raised = lower.copy()
    raised[1:-1, 1] -= p["lower_lid"]
    opening = max((1.0 + p["eye_open"]) * (1.0 - blink), 0.06)
    top = upper.copy()
    top[1:-1, 1] = raised[1:-1, 1] - opening * (lower[1:-1, 1] - upper[1:-1, 1])
    return top, raised


def _control_points(
    p: dict[str, float], mouth: tuple[Array, Array], lids: list[tuple[Array, Array]]
) -> list[tuple[Array, Array]]:
    """(drawn, portrait) landmarks of the three skin layers, top to bottom."""
    brow_shift = np.array(
        [p["brow_outer"], p["brow_middle"], (p["brow_middle"] + p["brow_inner"]) / 2, p["brow_inner"]]
    )
    squeeze = p["brow_squeeze"] * np.array([0.0, 0.1, 0.5, 1.0])
    brows = [LEFT_BROW + np.column_stack([squeeze, brow_shift]), RIGHT_BROW + np.column_stack([-squeeze, brow_shift])]
    cheeks = CHEEKS - [0.0, p["cheek"]]
    jaw = 0.6 * (mouth[1][4, 1] - LIP_LOWER_INNER[4, 1])
    chin = CHIN + np.column_stack([np.zeros(6), jaw * np.array([1.0, 0.85, 0.85, 1.0, 0.4, 0.4])])
    thick = 1.12 + p["lip_thickness"]
    # The band of the lashes moves with the upper lid, so that a blink does not stretch it.
    band = np.array([0.0, -2.4])
    lashes = [lids[0][0][1:4] + band, lids[1][0][2:5] + band]
    source_lashes = [LEFT_LID_UPPER[1:4] + band, RIGHT_LID_UPPER[2:5] + band]
    outer = []
    for inner, source_inner, source_outer in (
        (mouth[0], LIP_UPPER_INNER, LIP_UPPER_OUTER),
        (mouth[1], LIP_LOWER_INNER, LIP_LOWER_OUTER),
    ):
        t = (source_outer[1:-1, 0] - 203.0) / 42.0
        x = inner[0, 0] + t * (inner[-1, 0] - inner[0, 0])
        height = source_outer[1:-1, 1] - np.interp(source_outer[1:-1, 0], *source_inner.T)
        outer.append(np.column_stack([x, np.interp(x, *inner.T) + thick * height]))
    corners = (np.vstack([mouth[0][[0, -1]]]), LIP_UPPER_INNER[[0, -1]])
    sources = [LEFT_BROW, RIGHT_BROW, LEFT_LID_UPPER, RIGHT_LID_UPPER, *source_lashes, NOSE, CHEEKS, FIXED]
    top = (np.vstack([*brows, lids[0][0], lids[1][0], *lashes, NOSE, cheeks, FIXED]), np.vstack(sources))
    middle = (
        np.vstack([lids[0][1], lids[1][1], NOSE, cheeks, mouth[0], outer[0], FIXED]),
        np.vstack([LEFT_LID_LOWER, RIGHT_LID_LOWER, NOSE, CHEEKS, LIP_UPPER_INNER, LIP_UPPER_OUTER[1:-1], FIXED]),
    )
    bottom = (
        np.vstack([corners[0], mouth[1][1:-1], outer[1], chin, NOSE, cheeks, FIXED]),
        np.vstack([corners[1], LIP_LOWER_INNER[1:-1], LIP_LOWER_OUTER[1:-1], CHIN, NOSE, CHEEKS, FIXED]),
    )
    return [top, middle, bottom]


def _below_eyes(x: Array, y: Array, lids: list[tuple[Array, Array]]) -> Array:
    """1 below the eyes, 0 above; sharp inside the eyes and soft beside them."""
    knots = np.vstack([(upper + lower) / 2 for upper, lower in lids])
    line = np.interp(x, knots[:, 0], knots[:, 1])
    distance = np.min([np.maximum(u[0, 0] - x, 0) + np.maximum(x - u[-1, 0], 0) for u, _ in lids], axis=0)
    return _smoothstep((y - line) / (0.4 + 1.2 * distance) + 0.5)


def _below_mouth(x: Array, y: Array, mouth: tuple[Array, Array]) -> Array:
    """1 below the mouth, 0 above; sharp inside the mouth and soft beside it."""
    middle = (mouth[0] + mouth[1]) / 2
    line = np.interp(x, middle[:, 0], middle[:, 1])
    distance = np.maximum(middle[0, 0] - x, 0) + np.maximum(x - middle[-1, 0], 0)
    return _smoothstep((y - line) / (0.4 + 1.2 * distance) + 0.5)


def _brow_crease(x: Array, y: Array) -> Array:
    """Two short upright shadows between the brows."""
    lean = 0.12 * (y - 96.0)
    across = np.exp(-(((x - 221.0 + lean) / 2.0) ** 2)) + np.exp(-(((x - 229.4 - lean) / 2.0) ** 2))
    return across * np.exp(-(((y - 96.5) / 4.5) ** 2))


def _textures(tint: tuple[float, float, float]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The enlarged portrait with a tinted background: as it is, and with the smile folds softened."""
    small = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    background = _background_mask(small)[..., None]
    tinted = small + background * (small * np.array(tint) - small)
    tinted = np.clip(np.rint(tinted), 0, 255).astype(np.uint8)
    size = (small.shape[1] * OVERSAMPLE, small.shape[0] * OVERSAMPLE)
    plain = cv2.resize(tinted, size, interpolation=cv2.INTER_LANCZOS4)
    lines = np.zeros(plain.shape[:2], np.uint8)
    for fold in SMILE_FOLDS:
        cv2.polylines(lines, [np.int32(np.array(fold) * OVERSAMPLE)], False, 255, thickness=5 * OVERSAMPLE)
    filled = cv2.GaussianBlur(cv2.inpaint(plain, lines, 6, cv2.INPAINT_TELEA), (0, 0), 1.5 * OVERSAMPLE)
    weight = cv2.GaussianBlur(lines / 255.0, (0, 0), 1.2 * OVERSAMPLE)[..., None]
    relaxed = plain + weight * (filled - plain.astype(np.float64))
    return plain, np.clip(np.rint(relaxed), 0, 255).astype(np.uint8)


def _background_mask(picture: NDArray[np.uint8]) -> Array:
    """1 on the studio backdrop, 0 on the person; from pale colours outside a hand-drawn outline."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    pale = ((hsv[..., 1] < 70) & (hsv[..., 2] > 110)).astype(np.uint8)
    person = cv2.fillPoly(np.zeros_like(pale), [np.int32(PERSON_OUTLINE)], 1)
    mask = cv2.morphologyEx(pale * (1 - person), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 1.5)
