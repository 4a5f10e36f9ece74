"""Frames per second of two visual networks against a one-clip-at-a-time loop, and memory for a long clip.

    python benchmarks/visual.py [--part clip|ferplus|memory] [--short] [--folder DIR] [--gpu N] [--dtype T]
                                [--num_procs N]

Weights and faces are random; the networks have their real sizes (CLIP ViT-B/32, FERPlus ResNet-50). The plain loop is
what the original does: per clip read, prepare every frame, batches of 32 frames, mean, save, in one process with all
threads. Both are measured in turn, `ROUNDS` times each, the best counts; their features must agree. Ours holds as many
copies of the model as the scripts would (`feature_extraction/policy.py`), or --num_procs. Processor seconds (of child
processes, too) are printed beside: they say more where other programs run. The faces step has a benchmark of its own,
faces.py.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from feature_extraction.cli import DTYPES, positive_int
from feature_extraction.contract import Extractor, Sample
from feature_extraction.policy import model_copies
from feature_extraction.save_loop import run_extraction

REPOSITORY = Path(__file__).resolve().parent.parent
ROUNDS = 2
PLAIN_BATCH = 32  # frames, as in the original


def faces(folder: Path, clips: int, frames: int) -> list[Sample]:
    """Clips of random faces, `frames` on average."""
    rng = np.random.default_rng(0)
    samples = []
    for number, count in enumerate(rng.integers(max(1, frames // 2), max(2, frames + frames // 2), clips)):
        path = folder / f"{number:04d}" / f"{number:04d}.npy"
        path.parent.mkdir(parents=True)
        np.save(path, rng.integers(0, 256, (count, 112, 112, 3), dtype=np.uint8))
        samples.append(Sample(path.stem, path))
    return samples


def save_clip(folder: Path, layers: int = 12, width: int = 768) -> Path:
    """CLIP with an image half of the size of ViT-B/32 and a small text half, random."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    vision = {"num_hidden_layers": layers, "hidden_size": width, "intermediate_size": 4 * width}
    text = {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4, "vocab_size": 49408}
    CLIPModel(CLIPConfig(vision_config=vision, text_config=text)).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        '{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "resample": 3, '
        '"crop_size": {"height": 224, "width": 224}}'
    )
    return folder


def plain_clip(folder: Path, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """The original's way for one clip: BGR faces -> mean of the embeddings."""
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, CLIPModel

    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval().to(device)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")

    def compute(clip: np.ndarray) -> np.ndarray:
        pictures = [Image.fromarray(face[..., ::-1]) for face in clip]
        values = processor(images=pictures, return_tensors="pt")["pixel_values"].to(device)
        with torch.no_grad():
            rows = [model.get_image_features(batch).pooler_output for batch in values.split(PLAIN_BATCH)]
        return torch.cat(rows).cpu().numpy().mean(axis=0)

    return compute


def plain_ferplus(checkpoint: Path, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """The original's way for one clip: each face by PIL, a network hooked at one layer."""
    import torch

    from feature_extraction.visual.face_networks import ferplus_network

    network = ferplus_network("resnet50_ferplus_dag")
    model = network.load(checkpoint).to(device)

    def compute(clip: np.ndarray) -> np.ndarray:
        pictures = np.stack([network.view.picture(face) for face in clip])
        with torch.no_grad():
            batches = [pictures[at : at + PLAIN_BATCH] for at in range(0, len(pictures), PLAIN_BATCH)]
            rows = [model(network.view.tensor(batch, torch.device(device))) for batch in batches]
        return torch.cat(rows).cpu().numpy().mean(axis=0)

    return compute


def compare(
    title: str,
    samples: list[Sample],
    plain: Callable[[np.ndarray], np.ndarray],
    build: Callable[[], Extractor],
    root: Path,
    num_procs: int | None,
) -> None:
    """Measure both ways in turn and print frames per second, their ratio, and the largest difference."""
    frames = sum(len(np.load(sample.path, mmap_mode="r")) for sample in samples)
    copies = model_copies(build(), samples, num_procs)
    tiny = faces(root / "tiny", copies, 1)
    plain_seconds, our_seconds, start, busy, difference = [], [], [], [], 0.0
    for turn in range(ROUNDS):
        processor, began = processor_seconds(), time.perf_counter()
        expected = {sample.name: plain(np.load(sample.path)) for sample in samples}
        plain_seconds.append(time.perf_counter() - began)
        busy.append(processor_seconds() - processor)
        start.append(_run(build(), tiny, root / f"tiny-{turn}", copies)[0])
        processor = processor_seconds()
        seconds, folder = _run(build(), samples, root / f"features-{turn}", copies)
        our_seconds.append(seconds)
        busy.append(processor_seconds() - processor)
        for name, row in expected.items():
            error = np.abs(np.load(folder / f"{name}.npy") - row).max() / np.abs(row).max()
            difference = max(difference, float(error))
    base, whole = frames / min(plain_seconds), frames / min(our_seconds)
    rate = frames / (min(our_seconds) - min(start)) if min(our_seconds) > min(start) else 0.0
    print(
        f"{title}: {len(samples)} clips, {frames} frames, load {os.getloadavg()[0]:.1f}: plain loop {base:.1f} "
        f"frames/s; ours with {copies} {'copy' if copies == 1 else 'copies'} of the model {rate:.1f} (ratio "
        f"{rate / base:.2f}), with the start of {min(start):.1f} s {whole:.1f} (ratio {whole / base:.2f}); "
        f"difference {difference:.1e}; processor seconds: plain loop {min(busy[::2]):.1f}, ours {min(busy[1::2]):.1f}",
        flush=True,
    )


def _run(extractor: Extractor, samples: list[Sample], root: Path, copies: int) -> tuple[float, Path]:
    """Seconds of a run, copies of the model started and loaded and files written, and the folder of features."""
    options = {"num_workers": None, "num_procs": copies, "batch_size": 64, "progress": False}
    began = time.perf_counter()
    report = run_extraction(extractor, samples, root, "UTTERANCE", **options)
    return time.perf_counter() - began, report.folders[0]


def processor_seconds() -> float:
    """Of this process and its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def benchmark_clip(root: Path, args: argparse.Namespace) -> None:
    """CLIP ViT-B/32."""
    from feature_extraction.visual.vision_extractor import VisionExtractor
    from toolkit.utils.device import resolve_device

    device = resolve_device(args.gpu)
    folder = save_clip(root / "clip")
    samples = faces(root / "faces", *_size(args.short, device.type))
    plain = plain_clip(folder, str(device))

    def build() -> VisionExtractor:
        return VisionExtractor(folder, "clip", device, args.dtype)

    compare(f"CLIP ViT-B/32, {args.dtype}", samples, plain, build, root, args.num_procs)


def benchmark_ferplus(root: Path, args: argparse.Namespace) -> None:
    """ResNet-50 FERPlus."""
    import torch

    from feature_extraction.visual.face_network_extractor import FaceNetworkExtractor
    from feature_extraction.visual.face_networks import ferplus_network
    from feature_extraction.visual.nets.ferplus import FerPlusNet
    from toolkit.utils.device import resolve_device

    device = resolve_device(args.gpu)
    checkpoint = root / "resnet50_ferplus_dag.pth"
    torch.manual_seed(0)
    torch.save(FerPlusNet("resnet50_ferplus_dag").state_dict(), checkpoint)
    network = ferplus_network("resnet50_ferplus_dag")
    samples = faces(root / "faces", *_size(args.short, device.type))
    plain = plain_ferplus(checkpoint, str(device))

    def build() -> FaceNetworkExtractor:
        return FaceNetworkExtractor(network, checkpoint, device)

    compare("FERPlus ResNet-50", samples, plain, build, root, args.num_procs)


def benchmark_memory(root: Path, args: argparse.Namespace) -> None:
    """Peak memory of the script for clips of 1 and 10 minutes at 25 frames a second (Linux), a small CLIP."""
    folder = save_clip(root / "small", layers=1, width=96)
    script = REPOSITORY / "feature_extraction/visual/extract_vision_huggingface.py"
    for minutes in (0.2, 2) if args.short else (1, 10):
        data = root / f"minutes-{minutes}"
        place = data / "mer2024-dataset-process/openface_face/long"
        place.mkdir(parents=True)
        np.save(place / "long.npy", np.zeros((int(minutes * 60 * 25), 112, 112, 3), np.uint8))
        command = [sys.executable, str(script), "--dataset", "MER2024", "--data_root", str(data)]
        command += ["--model_name", "small", "--model_dir", str(folder), "--gpu", str(args.gpu), "--num_procs", "1"]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max(peak, _own_memory(process.pid))
            time.sleep(0.05)
        print(
            f"memory: a clip of {minutes} minutes: at most {peak} MB of its own (file pages apart), "
            f"{time.perf_counter() - began:.0f} s, exit status {process.returncode}",
            flush=True,
        )


def _size(short: bool, device: str) -> tuple[int, int]:
    """Clips and frames per clip."""
    scale = 1 if device == "cpu" else 10
    return (12 * scale, 20) if short else (40 * scale, 100)


def _own_memory(pid: int) -> int:
    """Resident memory of a process in MB, without pages of files, which the system can take back."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(status.split("RssAnon:")[1].split()[0]) // 1024 if "RssAnon:" in status else 0


PARTS = {"clip": benchmark_clip, "ferplus": benchmark_ferplus, "memory": benchmark_memory}


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--short", action="store_true", help="small corpora: some minutes in all")
    parser.add_argument("--folder", type=Path, help="where models and faces are made (default: the temporary folder)")
    parser.add_argument("--gpu", type=int, default=-1, help="GPU index (default -1 = CPU)")
    parser.add_argument("--dtype", default="float32", choices=DTYPES, help="of ours, CLIP only; the loop is float32")
    parser.add_argument("--num_procs", type=positive_int, help="copies of the model on a CPU (default: as the scripts)")
    args = parser.parse_args()
    print(f"load average before the start: {os.getloadavg()[0]:.1f}")
    for part, run in PARTS.items():
        if args.part in (part, "all"):
            with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
                run(Path(temporary), args)


if __name__ == "__main__":
    main()
