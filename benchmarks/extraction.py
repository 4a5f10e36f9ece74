"""Feature extraction: ours against a loop that does what the original does, one sample at a time, in the same run.

  python benchmarks/extraction.py [--part text|audio|opensmile|memory|scan|all] [--short] [--folder DIR]

Models have the architecture and size of HuBERT-base and BERT-base with random weights (speed does not depend on their
values). Rates are samples a second once the model is loaded and worker processes have started; what starting costs is
printed beside them. Ratios are what matters: machines differ, and this one may be shared. To reach on 2 cores: text 2
(float32) and 4 (bfloat16), audio 1.25 and 3, openSMILE 1.7 with 2 workers.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from extraction_models import clips, save_bert_base, save_hubert_base, sentences
from extraction_scale import benchmark_memory, benchmark_scan

from feature_extraction.contract import Extractor, Sample
from feature_extraction.policy import cores
from feature_extraction.save_loop import run_extraction


def timed_run(extractor: Extractor, samples: Sequence[Sample], root: Path, **options) -> tuple[float, float]:
    """(samples a second after the start-up, seconds of start-up) of one run, from the times its files appeared."""
    loaded = [0.0]
    prepare = extractor.prepare

    def timed_prepare() -> None:
        prepare()
        loaded[0] = time.time()

    extractor.prepare = timed_prepare
    began = time.time()
    report = run_extraction(extractor, samples, root, "UTTERANCE", progress=False, **options)
    if report.failures:
        raise SystemExit(f"failed: {report.failures[:3]}")
    times = sorted(path.stat().st_mtime for path in report.folders[0].glob("*.npy"))
    if loaded[0] and not options.get("num_workers"):
        return len(times) / (times[-1] - loaded[0]), loaded[0] - began
    warm = 4 * options.get("batch_size", 8)  # the first batches of two workers, which may start at unlike times
    return (len(times) - warm) / (times[-1] - times[warm - 1]), times[0] - began


def one_at_a_time(samples: Sequence[Sample], compute: Callable[[Sample], np.ndarray], folder: Path) -> float:
    """Samples a second of a plain loop that saves each array."""
    folder.mkdir(parents=True)
    compute(samples[0])
    began = time.time()
    for sample in samples:
        np.save(folder / f"{sample.name}.npy", compute(sample))
    return len(samples) / (time.time() - began)


def difference(ours: Path, theirs: Path) -> float:
    """Largest difference relative to the largest value, over all files."""
    pairs = [(np.load(ours / path.name), np.load(path)) for path in theirs.glob("*.npy")]
    return max(np.abs(a - b).max() for a, b in pairs) / max(np.abs(b).max() for _, b in pairs)


def line(what: str, rate: float, base: float, rest: str = "") -> None:
    """One row of the report."""
    print(f"  {what:44} {rate:8.2f} /s   {rate / base:5.2f} times{rest}", flush=True)


def plain_hubert(folder: Path) -> Callable[[Sample], np.ndarray]:
    """What the original does with one clip shorter than 10 s."""
    import torch
    from transformers import HubertModel, Wav2Vec2FeatureExtractor

    model = HubertModel.from_pretrained(folder).eval()
    front_end = Wav2Vec2FeatureExtractor.from_pretrained(folder)

    def compute(sample: Sample) -> np.ndarray:
        wave, rate = soundfile.read(sample.path)
        values = front_end(wave, sampling_rate=rate, return_tensors="pt").input_values
        with torch.no_grad():
            states = model(values, output_hidden_states=True).hidden_states
        return torch.stack(states)[[-4, -3, -2, -1]].sum(dim=0)[0].numpy().mean(axis=0)

    return compute


def plain_bert(folder: Path) -> Callable[[Sample], np.ndarray]:
    """What the original does with one sentence."""
    import torch
    from transformers import AutoTokenizer, BertModel

    model = BertModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def compute(sample: Sample) -> np.ndarray:
        with torch.no_grad():
            states = model(**tokenizer(sample.text, return_tensors="pt"), output_hidden_states=True).hidden_states
        return torch.stack(states)[[-4, -3, -2, -1]].sum(dim=0)[0, 1:-1].numpy().mean(axis=0)

    return compute


def benchmark_audio(root: Path, short: bool) -> None:
    """HuBERT-base on clips of 3 to 5 s."""
    import torch

    from feature_extraction.audio.speech_extractor import SpeechExtractor

    samples = clips(root / "clips", 24 if short else 96)
    folder = save_hubert_base(root / "hubert-base")
    print(f"\naudio: HuBERT-base, {len(samples)} clips of 4 s, {cores()} cores")
    plain = plain_hubert(folder)
    base = one_at_a_time(samples, plain, root / "plain-audio")
    line(f"plain loop, {torch.get_num_threads()} threads", base, base)
    rows = {"plain loop": processor_seconds(plain, samples)}
    for dtype in ("float32", "bfloat16"):
        for procs in (1, cores()):
            place = root / f"audio-{dtype}-{procs}"
            extractor = SpeechExtractor(folder, "hubert", torch.device("cpu"), "UTTERANCE", dtype)
            rate, start = timed_run(extractor, samples, place, batch_size=2, num_procs=procs)
            error = difference(place / "hubert-UTT", root / "plain-audio")
            line(f"{dtype}, copies of the model: {procs}", rate, base, f", start {start:.1f} s, difference {error:.1e}")
            if procs == 1:
                rows[dtype] = processor_seconds(lambda sample, x=extractor: x.extract([x.load(sample)]), samples)
    again = one_at_a_time(samples, plain, root / "plain-audio-again")
    line("plain loop again (another load shows here)", again, base)
    print("  one thread, processor time a clip (least of three):")
    for what, seconds in rows.items():
        print(f"    {what:42} {seconds:8.3f} s    {rows['plain loop'] / seconds:5.2f} times")


def processor_seconds(compute: Callable[[Sample], object], samples: Sequence[Sample]) -> float:
    """Processor time of a clip on one thread, which other work on the machine disturbs less than the clock's."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    tries = []
    for _ in range(3):
        began = time.process_time()
        for sample in samples[:8]:
            compute(sample)
        tries.append((time.process_time() - began) / 8)
    torch.set_num_threads(threads)
    return min(tries)


def benchmark_text(root: Path, short: bool) -> None:
    """BERT-base on sentences of median 15 tokens."""
    import torch

    from feature_extraction.text.text_extractor import TextExtractor

    samples = sentences(96 if short else 480)
    folder = save_bert_base(root / "bert-base")
    print(f"\ntext: BERT-base, {len(samples)} sentences of median 15 tokens, {cores()} cores")
    base = one_at_a_time(samples, plain_bert(folder), root / "plain-text")
    line(f"plain loop, {torch.get_num_threads()} threads", base, base)
    for dtype in ("float32", "bfloat16"):
        place = root / f"text-{dtype}"
        extractor = TextExtractor(folder, "bert", torch.device("cpu"), dtype=dtype)
        rate, start = timed_run(extractor, samples, place, batch_size=512)
        error = difference(place / "bert-UTT", root / "plain-text")
        line(f"{dtype}, sorted batches", rate, base, f", start {start:.1f} s, difference {error:.1e}")


def benchmark_opensmile(root: Path, short: bool) -> None:
    """eGeMAPS and IS13, with and without worker processes."""
    from feature_extraction.audio.opensmile_extractor import OpensmileExtractor

    samples = clips(root / "clips", 64 if short else 200)
    for feature_set in ("eGeMAPS", "IS13"):
        print(f"\nopenSMILE: {feature_set}, {len(samples)} clips of 4 s")
        base = 0.0
        for workers in (0, 2):
            place = root / f"smile-{workers}"
            extractor = OpensmileExtractor(feature_set, "UTTERANCE")
            rate, start = timed_run(extractor, samples, place, batch_size=4, num_workers=workers)
            base = base or rate
            line(f"{workers or 'no'} worker processes", rate, base, f", start {start:.1f} s")


PARTS = {
    "text": benchmark_text,
    "audio": benchmark_audio,
    "opensmile": benchmark_opensmile,
    "memory": benchmark_memory,
    "scan": benchmark_scan,
}


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--short", action="store_true", help="small corpora: a minute or two for each part")
    parser.add_argument("--folder", type=Path, help="where models and corpora are made (default: the temporary folder)")
    args = parser.parse_args()
    print(f"load average before the start: {os.getloadavg()[0]:.1f}")
    for part, run in PARTS.items():
        if args.part in (part, "all"):
            with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
                run(Path(temporary), args.short)


if __name__ == "__main__":
    main()
