"""The baseline: DFME as a plain float32 loop that works as the authors' code does.

Written for this comparison alone, from a description of that code (docs/methods/dfme.md): it has
no oracle, no account and no evaluation. It shares with cake-lab/datafree-model-extraction the
choices that cost time:

- noise and directions are drawn on the host and moved; directions in float64;
- evaluation points are copied to the host, perturbed and squashed there, and moved back;
- the generator builds a graph for the student's images too, which is thrown away;
- the student goes from training to evaluation mode and back, the victim is called as it is;
- ReLUs of both write a new tensor each; the generator's work in place;
- optimisers are SGD and Adam as PyTorch makes them by default;
- the losses are read, which waits for the device, at every tenth iteration.

Two choices that make that code slower still are not copied: NumPy's legacy random generator, and
deterministic cuDNN. Its division into pieces drops points for some m; here all are evaluated.
Scales are copycost's (docs/methods/dfme.md), so that the two can be compared.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from copycost.attacks.dfme import DFME
from copycost.types import InputSpec

PIECE = 4992
"""Evaluation points at a time, as in the authors' code."""
LOG_EVERY = 10
"""Iterations between two readings of the losses, as in the authors' code."""
EPSILON = 1e-3
"""Step of the finite differences if the attack's settings leave it to the arithmetic."""


class PlainDFME:
    """The loop's networks, optimisers and random numbers."""

    def __init__(
        self,
        victim: nn.Module,
        student: nn.Module,
        generator: nn.Module,
        attack: DFME,
        spec: InputSpec,
        device: torch.device,
    ) -> None:
        """Networks are moved to `device` and trained in place; sizes and rates are `attack`'s."""
        self.victim = out_of_place(victim).to(device).eval()
        self.student = out_of_place(student).to(device).train()
        self.generator = generator.to(device).train()
        self.attack, self.spec, self.device = attack, spec, device
        self.epsilon = attack.epsilon or EPSILON
        self.student_optimizer = torch.optim.SGD(
            self.student.parameters(),
            lr=attack.student_lr,
            momentum=attack.student_momentum,
            weight_decay=attack.student_weight_decay,
        )
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=attack.generator_lr
        )
        self.host = np.random.default_rng(0)
        self.noise_source = torch.Generator().manual_seed(0)
        self.iterations = 0
        self.logged: tuple[float, float] = (0.0, 0.0)

    @property
    def queries(self) -> int:
        """Queries of one iteration: m + 1 per image in generator steps, 1 in student steps."""
        a = self.attack
        return a.batch_size * (a.generator_steps * (a.directions + 1) + a.student_steps)

    def iterate(self) -> None:
        """One iteration: the generator's steps, then the student's."""
        for _ in range(self.attack.generator_steps):
            gap = self.generator_step(self.noise(), self.directions())
        for _ in range(self.attack.student_steps):
            loss = self.student_step(self.noise())
        if self.iterations % LOG_EVERY == 0:
            self.logged = (gap.item(), loss.item())
        self.iterations += 1

    def noise(self) -> Tensor:
        """Latents [N, Z], standard normal, drawn on the host."""
        shape = (self.attack.batch_size, self.attack.latent)
        return torch.randn(shape, generator=self.noise_source).to(self.device)

    def directions(self) -> Tensor:
        """Unit directions [N, m, C, H, W], drawn on the host in float64 and left there."""
        n, m = self.attack.batch_size, self.attack.directions
        u = self.host.standard_normal((n, m, self.spec.size))
        u /= np.sqrt((u**2).sum(axis=2, keepdims=True))
        return torch.from_numpy(u).float().view(n, m, *self.spec.shape)

    def generator_step(self, z: Tensor, u: Tensor) -> Tensor:
        """Increase the gap by a gradient estimated in directions `u`; return its mean, 0-d."""
        self.generator_optimizer.zero_grad()
        x = self.generator(z)
        uphill, gap = self.estimate(x, u)
        x.backward(-uphill / len(x))
        self.generator_optimizer.step()
        return gap

    def student_step(self, z: Tensor) -> Tensor:
        """Reduce the gap on fresh images; return its mean, 0-d."""
        images = self.squash(self.generator(z)).detach()
        self.student_optimizer.zero_grad()
        with torch.no_grad():
            wanted = self.recovered(self.victim(images))
        loss = F.l1_loss(self.student(images), wanted)
        torch.autograd.backward(loss)
        self.student_optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def estimate(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Estimated gradient of the gap at x [N, C, H, W] before the squash; mean gap, 0-d."""
        self.student.eval()
        steps = torch.cat((u, torch.zeros_like(u[:, :1])), dim=1)
        points = x.unsqueeze(1).cpu() + self.epsilon * steps
        gaps = self.gaps(self.squash(points.flatten(0, 1))).view(len(x), -1)
        slopes = (gaps[:, :-1] - gaps[:, -1:]) / self.epsilon
        weights = slopes.view(*slopes.shape, *[1] * (x.ndim - 1))
        uphill = self.spec.size * (weights * u.to(self.device)).mean(dim=1)
        self.student.train()
        return uphill, gaps[:, -1].mean()

    def gaps(self, points: Tensor) -> Tensor:
        """Disagreement [M] of student and victim at points [M, C, H, W] on the host."""
        ours, theirs = [], []
        for at in range(0, len(points), PIECE):
            piece = points[at : at + PIECE].to(self.device)
            theirs.append(self.victim(piece))
            ours.append(self.student(piece))
        wanted = self.recovered(torch.cat(theirs))
        return F.l1_loss(torch.cat(ours), wanted, reduction="none").mean(dim=1)

    def squash(self, x: Tensor) -> Tensor:
        """Map `x` into the spec's range by tanh."""
        half = (self.spec.high - self.spec.low) / 2
        return self.spec.low + half * (torch.tanh(x) + 1)

    @staticmethod
    def recovered(logits: Tensor) -> Tensor:
        """Logits [N, K] as recovered from their probabilities: centred log-probabilities."""
        log_p = F.log_softmax(logits, dim=1)
        return log_p - log_p.mean(dim=1, keepdim=True)


def out_of_place(module: nn.Module) -> nn.Module:
    """`module`, with its ReLUs set not to overwrite their input."""
    for layer in module.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return module
