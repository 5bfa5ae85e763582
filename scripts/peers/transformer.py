"""CLIP's vision transformers as PyTorch users would run them, without this project's shortcuts.

As in CLIP's own code, all layers compute all tokens. PyTorch has several forms of the same attention, and which is
fastest depends on its version, the sizes and the threads:

    sequence   CLIP's own code: nn.MultiheadAttention on tokens [T,B,W]
    fused      the same module on [B,T,W], which PyTorch runs as one operation
    direct     one product for queries, keys and values, then scaled_dot_product_attention, or its formula where
               PyTorch has no such function
    node       for ONNX Runtime alone: a node of its own for the attention, which its tools for transformers put
               in the place of the formula
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

FORMS = ("sequence", "fused", "direct")


class Node(torch.autograd.Function):
    """The formula, which an export writes as ONNX Runtime's own operation."""

    @staticmethod
    def forward(_, q, k, v, heads):  # [B,T,W] each
        q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (q, k, v))
        return formula(q, k, v).transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(g, q, k, v, heads):
        return g.op("com.microsoft::MultiHeadAttention", q, k, v, num_heads_i=heads).setType(q.type())


def formula(q, k, v):
    return (q @ (k.transpose(-2, -1) / math.sqrt(q.shape[-1]))).softmax(-1) @ v


class Attention(nn.MultiheadAttention):
    form = FORMS[0]

    def use(self, form):
        self.form, self.batch_first = form, form != "sequence"

    def forward(self, x):
        if self.form in ("sequence", "fused"):
            return super().forward(x, x, x, need_weights=False)[0]
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        if self.form == "node":
            return self.out_proj(Node.apply(*qkv.chunk(3, -1), self.num_heads))
        q, k, v = qkv.reshape(*x.shape[:2], 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        exporting = torch.onnx.is_in_onnx_export()
        y = F.scaled_dot_product_attention(q, k, v) if hasattr(F, "scaled_dot_product_attention") and not exporting else formula(q, k, v)
        return self.out_proj(y.transpose(1, 2).flatten(2))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        for name, m in (("c_fc", nn.Linear(width, 4 * width)), ("gelu", QuickGELU()), ("c_proj", nn.Linear(4 * width, width))):
            self.mlp.add_module(name, m)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class VisionTransformer(nn.Module):
    forms = FORMS

    def __init__(self, patch, width, layers, side, dim):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty((side // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(Block(width, width // 64) for _ in range(layers))
        self.proj = nn.Parameter(torch.empty(width, dim))
        self.use(FORMS[0])

    def use(self, form):
        """Computes attention in this form from now on."""
        self.form = form
        for block in self.transformer.resblocks:
            block.attn.use(form)

    def forward(self, x):  # [B,3,S,S] -> [B,O]
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        x = self.ln_pre(x)
        if self.form == "sequence":
            x = x.transpose(0, 1)
        for block in self.transformer.resblocks:
            x = block(x)
        first = x[0] if self.form == "sequence" else x[:, 0]
        return self.ln_post(first) @ self.proj


def load(sizes, file):
    """The image tower of a state dict, in float32."""
    tower = VisionTransformer(*sizes)
    prefix = "visual."
    tower.load_state_dict({k[len(prefix):]: t.float() for k, t in torch.load(str(file), map_location="cpu").items() if k.startswith(prefix)})
    return tower.requires_grad_(False).eval()
