"""The training loop against an independent, item-by-item version written out by hand."""

import copy

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from toolkit.data.dataset import FusionDataset
from toolkit.models import ModelConfig, build_model
from toolkit.train.loop import predict, train_fold
from toolkit.train.settings import Optimisation


def _data(total=37, seed=0):
    generator = np.random.default_rng(seed)
    emos = generator.integers(6, size=total)
    inputs = tuple(
        (generator.normal(size=(6, width))[emos] + generator.normal(size=(total, width))).astype(np.float32)
        for width in (4, 5, 3)
    )
    vals = generator.normal(size=total).astype(np.float32)
    names = tuple(f"s{number}" for number in range(total))
    return FusionDataset(names, ("audios", "texts", "videos"), inputs, emos.astype(np.int64), vals)


def _model(outputs=(6, 1), dropout=0.0):
    torch.manual_seed(5)
    return build_model("attention", ModelConfig((4, 5, 3), *outputs, "utt", {"hidden_dim": 8, "dropout": dropout}))


def _by_hand(model, data, train, validation, lr, l2, batch, epochs, order_seed, clip):
    """What the reference does step by step: a DataLoader of items, log-softmax, sums divided by the batch size."""
    items = [
        {
            "audios": torch.tensor(data.inputs[0][row]),
            "texts": torch.tensor(data.inputs[1][row]),
            "videos": torch.tensor(data.inputs[2][row]),
            "emo": int(data.emos[row]),
            "val": float(data.vals[row]),
        }
        for row in range(len(data.names))
    ]
    optimiser = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=l2)
    shuffle = np.random.default_rng(order_seed)
    best, kept = -1.0, None
    for epoch in range(1, epochs + 1):
        model.train()
        for part in DataLoader([items[row] for row in shuffle.permutation(train)], batch_size=batch):
            output = model(part)
            logs = torch.log_softmax(output.emos, dim=1)
            loss = -sum(logs[row, part["emo"][row]] for row in range(len(logs))) / len(logs)
            loss = loss + ((output.vals[:, 0] - part["val"].float()) ** 2).sum() / len(logs)
            optimiser.zero_grad()
            loss.backward()
            if clip != -1:
                for parameter in model.parameters():
                    parameter.grad.clamp_(-clip, clip)
            optimiser.step()
        model.eval()
        with torch.no_grad():
            rows = [model({k: items[row][k][None] for k in ("audios", "texts", "videos")}) for row in validation]
        logits = torch.cat([row.emos for row in rows]).numpy()
        from sklearn.metrics import f1_score

        f1 = f1_score(data.emos[validation], logits.argmax(1), average="weighted")
        mse = np.mean([(float(row.vals[0, 0]) - data.vals[v]) ** 2 for row, v in zip(rows, validation, strict=True)])
        if f1 - 0.25 * mse > best or kept is None:
            best, kept = f1 - 0.25 * mse, (epoch, logits, copy.deepcopy(model.state_dict()))
    return kept


@pytest.mark.parametrize("clip", [-1, 0.01])
def test_equals_the_plain_loop_by_hand(clip):
    data = _data()
    order = np.random.default_rng(1).permutation(37)
    train, validation = order[:27], order[27:]  # 27 = 3 batches of 8 and a partial one of 3
    epoch, logits, weights = _by_hand(_model(), data, train, validation, 0.01, 1e-2, 8, 6, 9, clip)
    resident = data.to_device(torch.device("cpu"))
    optimisation = Optimisation(lr=0.01, l2=1e-2, grad_clip=clip, batch_size=8, epochs=6)
    found = train_fold(_model(), resident, train, validation, optimisation, "emoval", 9)
    assert found.best_epoch == epoch
    assert np.abs(found.predictions.emos - logits).max() <= 1e-5 * np.abs(logits).max()
    for key, value in weights.items():
        torch.testing.assert_close(found.weights[key], value, rtol=1e-4, atol=1e-6)


def test_the_kept_weights_give_the_kept_predictions():
    data = _data()
    resident = data.to_device(torch.device("cpu"))
    validation = np.arange(10)
    model = _model(dropout=0.5)
    optimisation = Optimisation(lr=0.05, l2=1e-5, grad_clip=-1, batch_size=8, epochs=8)
    found = train_fold(model, resident, np.arange(10, 37), validation, optimisation, "emo", 3)
    f1 = [scores["f1"] for scores in found.history]
    assert found.best_epoch == 1 + f1.index(max(f1))  # the first on ties
    model.load_state_dict(found.weights)
    again = predict(model, resident, validation, batch_size=3)
    np.testing.assert_allclose(again.emos, found.predictions.emos, rtol=1e-5, atol=1e-6)


def test_a_tie_keeps_the_first_epoch():
    data = _data()
    optimisation = Optimisation(lr=0.0, l2=0.0, grad_clip=-1, batch_size=8, epochs=5)  # nothing is learned
    found = train_fold(
        _model(), data.to_device(torch.device("cpu")), np.arange(27), np.arange(27, 37), optimisation, "emo", 3
    )
    assert found.best_epoch == 1 and len(found.history) == 5


def test_a_loss_that_is_not_finite_is_named():
    data = _data()
    data.vals[3] = np.nan
    optimisation = Optimisation(lr=0.01, l2=0.0, grad_clip=-1, batch_size=8, epochs=2)
    with pytest.raises(FloatingPointError, match="training loss became nan in epoch 1"):
        train_fold(
            _model(), data.to_device(torch.device("cpu")), np.arange(27), np.arange(27, 37), optimisation, "emo", 3
        )
