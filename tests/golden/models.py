"""Tiny models of each family, the same bytes on every Python: what golden digests are made from."""

import collections
import json
import random
import struct

HIDDEN, VOCABULARY = 256, 128
SIZES = {"BF16": 2, "F16": 2, "F32": 4}

# What becomes of a tensor: linear layers are quantized, the rest stays. "router" is what servers
# take for a linear layer as well.
LINEAR, ROUTER, EMBEDDING, VECTOR = "linear", "router", "embedding", "vector"

# `tensors`: name → (role, shape, dtype). `cut`: the first tensor of the second shard, if there are
# two. `group`: of schemes that have a choice, if not their own.
Family = collections.namedtuple("Family", "config tensors cut group")
WITH_GROUPS = ("W4A16", "W4A16_ASYM", "W8A16")  # schemes whose group size can be chosen


def norms(*names, size=HIDDEN):
    return {f"{name}.weight": (VECTOR, (size,)) for name in names}


def linear(name, rows, columns, bias=False):
    made = {f"{name}.weight": (LINEAR, (rows, columns))}
    if bias:
        made[f"{name}.bias"] = (VECTOR, (rows,))
    return made


def attention(layer, heads, key_heads, head, hidden=HIDDEN, bias=False, head_norms=False):
    at = f"{layer}.self_attn"
    return {**linear(f"{at}.q_proj", heads * head, hidden, bias),
            **linear(f"{at}.k_proj", key_heads * head, hidden, bias),
            **linear(f"{at}.v_proj", key_heads * head, hidden, bias),
            **linear(f"{at}.o_proj", hidden, heads * head),
            **(norms(f"{at}.q_norm", f"{at}.k_norm", size=head) if head_norms else {})}


def latent_attention(layer, heads=4, query=256, latent=128, rotary=32, head=64):
    """DeepSeek's; the rows of one projection are no multiple of 128."""
    at = f"{layer}.self_attn"
    return {**linear(f"{at}.q_a_proj", query, HIDDEN), **norms(f"{at}.q_a_layernorm", size=query),
            **linear(f"{at}.q_b_proj", heads * (head + rotary), query),
            **linear(f"{at}.kv_a_proj_with_mqa", latent + rotary, HIDDEN),
            **norms(f"{at}.kv_a_layernorm", size=latent),
            **linear(f"{at}.kv_b_proj", heads * 2 * head, latent),
            **linear(f"{at}.o_proj", HIDDEN, heads * head)}


def mlp(name, inner, hidden=HIDDEN, names=("gate_proj", "up_proj", "down_proj")):
    gate, up, down = names
    return {**linear(f"{name}.{gate}", inner, hidden), **linear(f"{name}.{up}", inner, hidden),
            **linear(f"{name}.{down}", hidden, inner)}


def experts(name, count, inner, **more):
    made = {f"{name}.gate.weight": (ROUTER, (count, HIDDEN))}
    for number in range(count):
        made.update(mlp(f"{name}.experts.{number}", inner, **more))
    return made


def layer_norms(layer, hidden=HIDDEN):
    return norms(f"{layer}.input_layernorm", f"{layer}.post_attention_layernorm", size=hidden)


def decoder(layers, parts_of, hidden=HIDDEN, tied=False):
    """`parts_of(layer's name, its number)` are the tensors of a layer beside its norms."""
    made = {"model.embed_tokens.weight": (EMBEDDING, (VOCABULARY, hidden))}
    for number in range(layers):
        layer = f"model.layers.{number}"
        made.update(layer_norms(layer, hidden))
        made.update(parts_of(layer, number))
    made.update(norms("model.norm", size=hidden))
    if not tied:
        made["lm_head.weight"] = (EMBEDDING, (VOCABULARY, hidden))
    return made


def family(architecture, model_type, tensors, *, layers=1, heads=4, key_heads=2, head=64, inner=384,
           hidden=HIDDEN, dtype="BF16", cut=None, group=None, **more):
    names = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
    config = {"architectures": [architecture], "model_type": model_type,
              "torch_dtype": names[dtype], "hidden_size": hidden, "intermediate_size": inner,
              "num_hidden_layers": layers,
              "num_attention_heads": heads, "num_key_value_heads": key_heads, "head_dim": head,
              "vocab_size": VOCABULARY, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
              "hidden_act": "silu", "tie_word_embeddings": "lm_head.weight" not in tensors, **more}
    typed = {name: (*what, dtype) if len(what) == 2 else what for name, what in tensors.items()}
    return Family(config, typed, cut, group)


def llama(dtype="BF16"):
    """Over two shards, what servers fuse among them in both."""
    return family("LlamaForCausalLM", "llama", decoder(2, lambda layer, _: {
        **attention(layer, 4, 2, 64), **mlp(f"{layer}.mlp", 384)}), layers=2, dtype=dtype,
        cut="model.layers.1.self_attn.k_proj.weight")


def llama_odd():
    """SmolLM2's shapes made small: columns in groups of 64, rows that end in a word or block."""
    return family("LlamaForCausalLM", "llama", decoder(1, lambda layer, _: {
        **attention(layer, 16, 1, 36, hidden=192), **mlp(f"{layer}.mlp", 320, 192)},
        hidden=192, tied=True), heads=16, key_heads=1, head=36, inner=320, hidden=192, group=64)


def qwen2():
    return family("Qwen2ForCausalLM", "qwen2", decoder(1, lambda layer, _: {
        **attention(layer, 4, 2, 64, bias=True), **mlp(f"{layer}.mlp", 512)}), inner=512)


def qwen3():
    return family("Qwen3ForCausalLM", "qwen3", decoder(1, lambda layer, _: {
        **attention(layer, 2, 1, 128, head_norms=True), **mlp(f"{layer}.mlp", 384)}, tied=True),
        heads=2, key_heads=1, head=128)


def qwen3_moe():
    return family("Qwen3MoeForCausalLM", "qwen3_moe", decoder(2, lambda layer, number: {
        **attention(layer, 4, 2, 64, head_norms=True),
        **(experts(f"{layer}.mlp", 4, 128) if number else mlp(f"{layer}.mlp", 384))}),
        layers=2, cut="model.layers.1.mlp.experts.1.up_proj.weight", num_experts=4,
        num_experts_per_tok=2, moe_intermediate_size=128, mlp_only_layers=[0],
        decoder_sparse_step=1, norm_topk_prob=True)


def mistral():
    return family("MistralForCausalLM", "mistral", decoder(1, lambda layer, _: {
        **attention(layer, 4, 4, 32, hidden=384), **mlp(f"{layer}.mlp", 256, 384)}, hidden=384),
        key_heads=4, head=32, inner=256, hidden=384, sliding_window=None)


def mixtral():
    return family("MixtralForCausalLM", "mixtral", decoder(1, lambda layer, _: {
        **attention(layer, 4, 2, 64),
        **experts(f"{layer}.block_sparse_moe", 4, 256, names=("w1", "w3", "w2"))}),
        inner=256, num_local_experts=4, num_experts_per_tok=2)


def granite():
    return family("GraniteForCausalLM", "granite", decoder(1, lambda layer, _: {
        **attention(layer, 4, 2, 64), **mlp(f"{layer}.mlp", 384)}, tied=True),
        embedding_multiplier=12.0, residual_multiplier=0.22, attention_multiplier=0.015625,
        logits_scaling=8.0)


def gemma():
    return family("GemmaForCausalLM", "gemma", decoder(1, lambda layer, _: {
        **attention(layer, 4, 1, 64), **mlp(f"{layer}.mlp", 512)}, tied=True),
        key_heads=1, inner=512, hidden_activation="gelu_pytorch_tanh")


def phi3():
    return family("Phi3ForCausalLM", "phi3", decoder(1, lambda layer, _: {
        **linear(f"{layer}.self_attn.qkv_proj", 8 * 64, HIDDEN),
        **linear(f"{layer}.self_attn.o_proj", HIDDEN, HIDDEN),
        **linear(f"{layer}.mlp.gate_up_proj", 2 * 384, HIDDEN),
        **linear(f"{layer}.mlp.down_proj", HIDDEN, 384)}), pad_token_id=0)


def deepseek_v3():
    def parts(layer, number):
        if number == 0:
            return {**latent_attention(layer), **mlp(f"{layer}.mlp", 384)}
        return {**latent_attention(layer), **experts(f"{layer}.mlp", 4, 128),
                f"{layer}.mlp.gate.e_score_correction_bias": (VECTOR, (4,), "F32"),
                **mlp(f"{layer}.mlp.shared_experts", 128)}

    return family("DeepseekV3ForCausalLM", "deepseek_v3", decoder(2, parts), layers=2,
                  cut="model.layers.1.self_attn.kv_a_proj_with_mqa.weight", key_heads=4,
                  q_lora_rank=256, kv_lora_rank=128, qk_rope_head_dim=32,
                  qk_nope_head_dim=64, v_head_dim=64, first_k_dense_replace=1, n_routed_experts=4,
                  n_shared_experts=1, num_experts_per_tok=2, moe_intermediate_size=128, n_group=1,
                  topk_group=1, num_nextn_predict_layers=0)


FAMILIES = {
    "llama": llama(), "llama-f16": llama("F16"), "llama-f32": llama("F32"),
    "llama-odd": llama_odd(),
    "qwen2": qwen2(), "qwen3": qwen3(), "qwen3-moe": qwen3_moe(), "mistral": mistral(),
    "mixtral": mixtral(), "granite": granite(), "gemma": gemma(), "phi3": phi3(),
    "deepseek-v3": deepseek_v3(),
}


def group_of(name, scheme):
    """Columns of a group, where the scheme's own does not fit; else None."""
    return FAMILIES[name].group if scheme in WITH_GROUPS else None


def modules(name, *roles):
    """Modules of a family that have one of these roles."""
    return sorted(tensor[:-len(".weight")] for tensor, what in FAMILIES[name].tensors.items()
                  if what[0] in roles)


# The highest byte of an element for each random one: both signs, exponents from -11 on; half of the
# elements are of the largest, which are below 1/8, a quarter of the next …
def _highest_byte(dtype):
    table = bytearray()
    for byte in range(256):
        rare = 7 - (127 - (byte & 127)).bit_length()  # 0 for half of them, 1 for a quarter …
        if dtype == "F16":
            table.append(byte & 128 | max(11 - rare, 4) << 2 | byte & 3)
        else:  # the lowest bit of the exponent is in the next byte
            table.append(byte & 128 | 61 - min(rare // 2, 3))
    return bytes(table)


_HIGHEST = {dtype: _highest_byte(dtype) for dtype in SIZES}


def elements(seed, count, dtype):
    size = SIZES[dtype]
    data = bytearray(random.Random(seed).randbytes(count * size))
    data[size - 1::size] = data[size - 1::size].translate(_HIGHEST[dtype])
    return data


def matrix(seed, rows, columns, dtype):
    """One that has rows and groups of all kinds that need care."""
    size = SIZES[dtype]
    data = elements(seed, rows * columns, dtype)

    def change(row, first, count, bytes_of):
        """`bytes_of` makes an element's bytes from what it is; all in little-endian order."""
        for column in range(first, first + count):
            at = (row * columns + column) * size
            data[at:at + size] = bytes_of(data[at:at + size])

    def with_sign(sign):
        return lambda old: old[:-1] + bytes([old[-1] & 127 | sign])

    def zero(sign=0):
        return lambda _: bytes(size - 1) + bytes([sign])

    def subnormal(old):
        if dtype == "F16":
            return old[:-1] + bytes([old[-1] & 0x83])
        return old[:-2] + bytes([old[-2] & 127, old[-1] & 128])

    def smallest(old):
        return bytes([1]) + bytes(size - 2) + bytes([old[-1] & 128])

    change(0, 0, columns, zero())
    change(1, 0, columns, with_sign(0))
    change(2, 0, columns, with_sign(128))
    for first in range(0, columns, 64):
        change(3, first, 32, zero())
    change(4, 0, 128, zero(128))
    change(5, 0, columns, subnormal)
    change(6, 0, 128, smallest)
    # 2 … 8, far larger than the others, and not the same in all of what is fused.
    change(7, 0, 1, lambda old: old[:-1] + b"\x40")
    if rows >= 256:
        for row in range(128, 256):  # a block
            change(row, 0, 128, zero())
    return data


def _safetensors(tensors):
    """`tensors`: name → (dtype, shape, data)."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(
        bytes(data) for _, _, data in tensors.values())


def files(name):
    """path → bytes of the model."""
    model = FAMILIES[name]
    shards = [{}]
    for tensor, (role, shape, dtype) in model.tensors.items():
        if tensor == model.cut:
            shards.append({})
        seed = f"{name} {tensor}"
        data = (matrix(seed, *shape, dtype) if role == LINEAR
                else elements(seed, shape[0] * (shape[1] if len(shape) > 1 else 1), dtype))
        shards[-1][tensor] = (dtype, shape, data)
    made, where, total = {}, {}, 0
    for number, tensors in enumerate(shards, 1):
        # The larger elements first, so that all are aligned.
        ordered = dict(sorted(tensors.items(), key=lambda item: -SIZES[item[1][0]]))
        path = (f"model-{number:05d}-of-{len(shards):05d}.safetensors" if len(shards) > 1
                else "model.safetensors")
        made[path] = _safetensors(ordered)
        where.update({tensor: path for tensor in tensors})
        total += sum(len(data) for _, _, data in tensors.values())
    if len(shards) > 1:
        made["model.safetensors.index.json"] = _json(
            {"metadata": {"total_size": total}, "weight_map": where})
    made["config.json"] = _json(model.config)
    made["generation_config.json"] = _json({"eos_token_id": 2})
    made["tokenizer.json"] = _json({"version": "1.0", "model": {
        "type": "BPE", "vocab": {f"t{n}": n for n in range(VOCABULARY)}, "merges": []}})
    made["tokenizer_config.json"] = _json({"tokenizer_class": "PreTrainedTokenizerFast"})
    return made


def write(name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files(name).items():
        (folder / path).write_bytes(data)
    return folder


def _json(value):
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
