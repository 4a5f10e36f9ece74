"""The reference's training loop, written step by step as it works, for comparison only."""

import time

import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch.utils.data import DataLoader, Dataset, SubsetRandomSampler

from toolkit.models import build_model
from toolkit.train.crossval import TrainingData
from toolkit.train.settings import Trial


class Items(Dataset):
    """One dict of numpy arrays per sample; the batch is made by the collater."""

    def __init__(self, dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        item = {key: rows[index] for key, rows in zip(self.dataset.keys, self.dataset.inputs, strict=True)}
        return item | {"emo": self.dataset.emos[index], "val": self.dataset.vals[index]}

    def collate(self, items: list[dict]) -> dict:
        batch = {key: torch.FloatTensor(np.array([item[key] for item in items])) for key in self.dataset.keys}
        batch["emos"] = torch.LongTensor(np.array([item["emo"] for item in items]))
        batch["vals"] = torch.FloatTensor(np.array([item["val"] for item in items]))
        return batch


class ReferenceRun:
    """One fold trained the reference's way: train, validate and test in every epoch."""

    def __init__(self, data: TrainingData, model: str, trial: Trial) -> None:
        train, validation = data.folds(0)[0]
        items, tests = Items(data.train), Items(data.tests["test1"])
        loader = {"batch_size": 32, "num_workers": 0, "collate_fn": items.collate}
        self.train = DataLoader(items, sampler=SubsetRandomSampler(train), **loader)
        self.validation = DataLoader(items, sampler=SubsetRandomSampler(validation), **loader)
        self.test = DataLoader(tests, **loader)
        torch.manual_seed(0)
        self.model = build_model(model, data.config(trial)).to(data.resident.device)
        self.device = data.resident.device
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3, weight_decay=1e-5)

    def seconds(self, epochs: int) -> float:
        """Seconds per epoch after one warm-up epoch."""
        self._epoch()
        start = time.perf_counter()
        for _ in range(epochs):
            self._epoch()
        return (time.perf_counter() - start) / epochs

    def _epoch(self) -> None:
        self._pass(self.train, training=True)
        self._pass(self.validation, training=False)
        self._pass(self.test, training=False)

    def _pass(self, loader: DataLoader, training: bool) -> None:
        self.model.train(training)
        logits, labels, features = [], [], []
        for batch in loader:
            batch = {key: value.to(self.device) for key, value in batch.items()}
            with torch.set_grad_enabled(training):
                output = self.model(batch)
                loss = torch.nn.functional.cross_entropy(output.emos, batch["emos"]) + output.interloss
            if training:
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
            logits.append(output.emos.detach().cpu().numpy())
            features.append(output.features.detach().cpu().numpy())
            labels.append(batch["emos"].cpu().numpy())
        predicted, true = np.concatenate(logits).argmax(1), np.concatenate(labels)
        accuracy_score(true, predicted)
        f1_score(true, predicted, average="weighted")
