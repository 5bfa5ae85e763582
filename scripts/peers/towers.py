"""The two towers as PyTorch users would run them, without this project's shortcuts.

The image tower ends with the attention pool of CLIP's own code: PyTorch's attention function with one query,
the class token. The text tower takes token ids padded to the context length; trim=True cuts a batch to
its longest text first, which CLIP's code does not do but a careful user may. Both are built from the model
definition in scripts/demo; transformer.py has the image towers of vision transformers.
"""
from pathlib import Path
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS / "demo")]
from model import CLIP  # noqa: E402
import transformer  # noqa: E402
from random_checkpoint import CONTEXT, MODELS, VITS, VOCABULARY  # noqa: E402

# The side of every model's images.
SIDES = {**{name: m[2] for name, m in MODELS.items()}, **{name: v[3] for name, v in VITS.items()}}


class ClassTokenPool(nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.pool = pool
        self.register_buffer("in_bias", torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]))

    def forward(self, x):  # [B,C,h,w] -> [B,O]
        p = self.pool
        tokens = x.flatten(2).permute(2, 0, 1)
        tokens = torch.cat([tokens.mean(0, keepdim=True), tokens]) + p.positional_embedding[:, None]
        y, _ = F.multi_head_attention_forward(
            query=tokens[:1], key=tokens, value=tokens, embed_dim_to_check=tokens.shape[-1], num_heads=p.num_heads,
            in_proj_weight=None, in_proj_bias=self.in_bias, bias_k=None, bias_v=None, add_zero_attn=False,
            dropout_p=0.0, out_proj_weight=p.c_proj.weight, out_proj_bias=p.c_proj.bias, training=False,
            need_weights=False, use_separate_proj_weight=True, q_proj_weight=p.q_proj.weight,
            k_proj_weight=p.k_proj.weight, v_proj_weight=p.v_proj.weight)
        return y[0]


class TextTower(nn.Module):
    def __init__(self, clip, trim=False):
        super().__init__()
        self.trim = trim
        self.token_embedding, self.transformer, self.ln_final = clip.token_embedding, clip.transformer, clip.ln_final
        self.positional_embedding, self.text_projection = clip.positional_embedding, clip.text_projection
        self.register_buffer("mask", torch.full((clip.context_length,) * 2, float("-inf")).triu_(1))

    def forward(self, ids):  # [M,L] -> [M,O]
        end = ids.argmax(-1)  # the end-of-text token has the highest id
        if self.trim:
            ids = ids[:, :int(end.max()) + 1]
        n = ids.shape[1]
        x = self.token_embedding(ids) + self.positional_embedding[:n]
        x = self.transformer(x.transpose(0, 1), self.mask[:n, :n]).transpose(0, 1)
        return self.ln_final(x[torch.arange(len(ids)), end]) @ self.text_projection


def load(model, archive):
    """Returns the image and the text tower of an archive, in float32; a vision transformer's has no text tower."""
    if model in VITS:
        return transformer.load(VITS[model], archive), None
    layers, width, side, dim, text_width = MODELS[model]
    clip = CLIP(dim, side, layers, width, CONTEXT, text_width, 12, VOCABULARY)
    state = {k: t.float() if t.is_floating_point() else t
             for k, t in torch.jit.load(str(archive), map_location="cpu").state_dict().items()}
    for k in ("input_resolution", "context_length", "vocab_size"):
        state.pop(k)
    clip.load_state_dict(state)
    clip.requires_grad_(False)
    clip.visual.attnpool = ClassTokenPool(clip.visual.attnpool)
    return clip.visual.eval(), TextTower(clip).eval()
