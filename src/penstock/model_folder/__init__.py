"""A model on disk: a folder of config.json, which says what goes in, what is stacked and what comes out, and of
model.safetensors. Each kind of model has its file here."""

from penstock.model_folder.content import CONFIG, WEIGHTS, Weights
from penstock.model_folder.language import LanguageConfig, load_model, save_model
from penstock.model_folder.stack import StackConfig
from penstock.model_folder.vocabulary import TOKENIZER

__all__ = ["CONFIG", "TOKENIZER", "WEIGHTS", "LanguageConfig", "StackConfig", "Weights", "load_model", "save_model"]
