"""What a growing corpus costs extraction.py's runs: peak memory, and the start-up over 100,000 files."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from extraction_models import clips

from feature_extraction.contract import Extractor, Output
from feature_extraction.save_loop import run_extraction

REPOSITORY = Path(__file__).resolve().parent.parent


def benchmark_memory(root: Path, short: bool) -> None:
    """Peak memory of a run for growing corpora (Linux)."""
    audio = root / "memory/mer2024-dataset-process/audio"
    source = clips(root / "memory-clips", 8)
    sizes = (50, 200) if short else (250, 1000, 4000)
    audio.mkdir(parents=True)
    for number in range(sizes[-1]):
        (audio / f"{number:06d}.wav").symlink_to(source[number % len(source)].path)
    print("\npeak memory: openSMILE eGeMAPS with 2 workers")
    script = REPOSITORY / "feature_extraction/audio/handcrafted_feature_extractor.py"
    for size in sizes:
        command = [sys.executable, str(script), "--dataset", "MER2024", "--data_root", str(root / "memory")]
        command += ["--feature_set", "eGeMAPS", "--num_workers", "2", "--overwrite", "--limit", str(size)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peaks: dict[str, int] = {}
        while process.poll() is None:
            peaks |= peak_memory(process.pid)
            time.sleep(0.1)
        own, workers = peaks.pop(str(process.pid), 0), max(peaks.values(), default=0)
        print(
            f"  {size:5} clips  {own:5} MB, largest worker {workers:4} MB (exit status {process.returncode})",
            flush=True,
        )


def peak_memory(pid: int) -> dict[str, int]:
    """Process number -> peak resident memory so far in MB, of `pid` and its children."""
    peaks = {}
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for number in (str(pid), *children):
            status = Path(f"/proc/{number}/status").read_text()
            if "VmHWM:" in status:
                peaks[number] = int(status.split("VmHWM:")[1].split()[0]) // 1024
    except FileNotFoundError:  # it ended meanwhile
        pass
    return peaks


class Idle(Extractor):
    """Has nothing to compute: for the cost of everything else."""

    modality = "audio"
    outputs = (Output("idle", 4),)
    load = staticmethod(lambda sample: None)

    def extract(self, batch: Sequence[None]) -> list[tuple[np.ndarray, ...]]:
        return [(np.zeros((3, 4), np.float32),) for _ in batch]


def benchmark_scan(root: Path, short: bool) -> None:
    """Start-up over many files: listing clips, scanning finished features, planning."""
    from feature_extraction.samples import audio_samples

    total = 20_000 if short else 100_000
    print(f"\n{total} tiny files")
    audio = root / "many"
    audio.mkdir()
    for number in range(total):
        (audio / f"sample_{number:08d}.wav").touch()
    began = time.perf_counter()
    samples = audio_samples(audio)
    print(f"  listing the clips                  {time.perf_counter() - began:6.2f} s")
    began = time.perf_counter()
    Idle().plan(samples, 8)
    print(f"  planning the batches               {time.perf_counter() - began:6.2f} s")
    for level in ("UTTERANCE", "FRAME"):
        report = run_extraction(Idle(), samples, root / "idle", level, batch_size=64, progress=False)
        print(f"  writing all, {level:9}             {report.seconds:6.2f} s")
        report = run_extraction(Idle(), samples, root / "idle", level, progress=False)
        print(f"  again, all there, {level:9}        {report.seconds:6.2f} s ({report.skipped} skipped)", flush=True)
