"""The header of a model in C: what it is, what a step reads and gives in words, sizes and declarations."""

import numpy as np

from penstock.export.model import CModel
from penstock.layout import wrap
from penstock.series.features import FeatureColumn
from penstock.text.vocabulary import Vocabulary


def header(model: CModel, facts: list[str]) -> str:
    """The text of gru.h.

    Args:
        model: what it is of.
        facts: what is said of its memory and work.
    """
    said = [*facts, "", *_input_in_words(model), "", *_output_in_words(model)]
    return "\n".join(
        [
            "/* Made by Penstock: a gated recurrent unit in C99. No memory is allocated and no global is written: the",
            "   state is the caller's, and there may be many. No library is needed. -ffast-math would break it.",
            "",
            *(f"   {line}".rstrip() for text in said for line in (wrap(text, 114) if text else [""])),
            "*/",
            "#ifndef GRU_H",
            "#define GRU_H",
            "",
            "#include <stdint.h>",
            "",
            *(f"#define GRU_{name} {value}" for name, value in _sizes(model).items()),
            "",
            *_types(model),
            "",
            _declarations(model),
            "",
            "#endif",
            "",
        ]
    )


def _sizes(model: CModel) -> dict[str, str]:
    stack, config = model.stack, model.runtime.config
    sizes = {
        "LAYERS": str(stack.num_layers),
        "HIDDEN": str(stack.hidden_size),
        "WIDTH": f"{model.width} /* GRU_HIDDEN in whole blocks of 16; what is too much stays 0 */",
        "AFTER": f"{int(stack.reset == 'after')} /* the form: 1 is that of torch.nn.GRU, 0 the textbook's */",
        "RESIDUAL": f"{int(stack.residual)} /* whether a layer adds to what it reads */",
        "INPUTS": f"{stack.input_size} /* of the first layer */",
        "OUTPUTS": str(model.outputs),
        **({"READS": f"{model.reads} /* by the output layer */"} if model.reads else {}),
        "OUT_UNIT": f"{'1.0f' if model.fixed is None else '(1.0f / 65536.0f)'} /* what 1 in an output stands for */",
        "ENTERED": f"{_entered(model)} /* numbers that are made of an input, zeros behind it */",
    }
    if model.fixed is not None:
        sizes["WIDEST"] = f"{max(stack.input_size, stack.hidden_size)} /* that a layer reads */"
        sizes["PER"] = f"{np.float32(model.fixed.per)!s}f /* whole numbers in 1 of an input */"
    if model.tokens:
        unknown = model.runtime.vocabulary.unknown
        sizes["TOKENS"] = str(len(model.runtime.vocabulary))
        sizes["UNKNOWN"] = (
            f"{-1 if unknown is None else unknown} /* the token for what the model does not know; -1: none */"
        )
        return sizes
    if not model.rows:
        return sizes
    features = model.runtime.features
    sizes |= {
        "COLUMNS": f"{len(features.columns)} /* of a row */",
        "FEATURES": f"{features.size} /* that they become */",
        "CLOCKED": f"{int(features.step is not None)} /* whether rows have times; if not, 0 will do */",
        "USUAL_STEP": f"{features.step or 1.0!r} /* of times */",
        "MISSES": f"{int(any(one.misses for one in features.columns))} /* whether features tell what is missing */",
        "GAP": f"{int(features.gap)} /* whether the time since the row before is a feature */",
        "DECAY": f"{int(config.decay)} /* whether states fade over that time */",
    }
    if config.segment:
        sizes |= {"SEGMENT": f"{config.segment} /* rows that are read at once */", "CHANGE": "4.0f"}
    return sizes


def _entered(model: CModel) -> int:
    return model.stack.input_size if model.fixed is None else -(-model.stack.input_size // 8) * 8


def _types(model: CModel) -> list[str]:
    lines = ["typedef float gru_number; /* of a state */", "typedef float gru_out;", ""]
    if model.fixed is not None:
        lines = [
            "typedef int16_t gru_number; /* of a state: 2^-15 is 1 */",
            "typedef int32_t gru_out;    /* 2^-16 is 1 */",
            "",
        ]
    lines += [
        "#if defined(__GNUC__)",
        "#define GRU_ALIGNED __attribute__((aligned(8)))",
        "#else",
        "#define GRU_ALIGNED",
        "#endif",
        "",
    ]
    if model.rows:
        lines += [
            "typedef struct {",
            "    double moment, seen[GRU_COLUMNS], last[GRU_COLUMNS];",
            "    int begun;",
            "} gru_rows; /* what turning rows into features remembers */",
            "",
        ]
    lines += ["typedef struct {", "    GRU_ALIGNED gru_number hidden[GRU_LAYERS][GRU_WIDTH];"]
    if model.rows:
        lines.append("    gru_rows rows;")
    if model.kind in ("texts", "segments"):
        lines.append("    float total[GRU_WIDTH]; /* of the top layer's states */")
        lines.append("    uint32_t segments;")
    if model.kind == "segments":
        lines.append(
            "    float part[GRU_SEGMENT * 2 * GRU_FEATURES], before[GRU_FEATURES]; /* of the segment so far */"
        )
        lines.append("    uint32_t filled;")
    return [*lines, "} gru_state;"]


def _declarations(model: CModel) -> str:
    if model.kind == "language":
        found = """\
/* Before a text: the state of zeros. */
void gru_reset(gru_state *state);

/* Reads a token; logits (GRU_OUTPUTS,) of the next one, or NULL where they are not needed. 1; or 0, with nothing done,
   if there is no such token. */
int gru_step(gru_state *state, int token, gru_out *logits);

/* The likeliest next token, the first of several. */
int gru_likeliest(const gru_out *logits);

/* The next token: drawn by a random number from 0 to below 1. A temperature below 1 is safer, above 1 bolder; 0 takes
   the likeliest. */
int gru_next_token(const gru_out *logits, float temperature, float random);"""
        return found + _CHARACTERS * bool(model.runtime.vocabulary.kind == "char")
    if model.kind == "states":
        return """\
/* Before a sequence: the state of zeros. */
void gru_reset(gru_state *state);

/* Reads x (GRU_INPUTS,); what the top layer gives, (GRU_OUTPUTS,), or NULL where it is not needed. */
void gru_step(gru_state *state, const gru_number *x, gru_out *outputs);"""
    reset = "/* Before a series: the state of its beginning. */\nvoid gru_reset(gru_state *state);\n\n"
    if model.kind == "rows":
        reset += """\
/* Before another episode of a series: the states alone are cleared, what was seen of each column stays. */
void gru_new_episode(gru_state *state);

"""
    if model.kind == "texts":
        step = """\
/* Reads a token; outputs (GRU_OUTPUTS,) for the text so far, or NULL where they are not needed. 1; or 0, with nothing
   done, if there is no such token. */
int gru_step(gru_state *state, int token, gru_out *outputs);"""
    else:
        what = "for the series so far" if model.kind == "segments" else "at this row"
        step = f"""\
/* Reads a row (GRU_COLUMNS,) at a time; outputs (GRU_OUTPUTS,) {what}, or NULL where they are not needed. */
void gru_step(gru_state *state, const float *row, double time, gru_out *outputs);"""
    characters = _CHARACTERS * (model.kind == "texts" and model.runtime.vocabulary.kind == "char")
    return f"""\
{reset}{step}

/* Outputs as answers (GRU_OUTPUTS,), as the words above say. */
void gru_answers(const gru_out *outputs, float *answers);{characters}"""


_CHARACTERS = """

/* The Unicode character of each token. */
extern const uint32_t gru_characters[GRU_TOKENS];

/* The token of a Unicode character. */
int gru_token(uint32_t character);"""


def _input_in_words(model: CModel) -> list[str]:
    if model.tokens:
        of = f"A step reads a token. {_tokens_in_words(model.runtime.vocabulary)}"
        if model.kind == "texts":
            of += f" Of a text the first {model.runtime.longest} tokens are read."
        return [of]
    if model.kind == "states":
        return [f"A step reads {model.stack.input_size} numbers."]
    features = model.runtime.features
    lines = ["A step reads a row, float32, NaN where a number is missing:"]
    lines += [f"  {k}  {_column_in_words(column)}" for k, column in enumerate(features.columns)]
    if features.step is not None:
        lines.append(f"Times are of the training's unit; the usual distance of two rows is {features.step:g}.")
    if model.runtime.config.segment > 1:
        P = model.runtime.config.segment
        lines.append(f"{P} rows are read at once: between, a step without outputs costs next to nothing.")
    return lines


def _column_in_words(column: FeatureColumn) -> str:
    name = _plain(column.name)
    if column.categories is None:
        return f"{name}, as it is: scaled here"
    names = ", ".join(f"{code} {_plain(one)}" for code, one in enumerate(column.categories[:32]))
    more = f", and {len(column.categories) - 32} more as config.json has them" * (len(column.categories) > 32)
    return f"{name}, the number of its category: {names}{more}"


def _tokens_in_words(vocabulary: Vocabulary) -> str:
    return {
        "byte": "A token is a byte of UTF-8.",
        "char": "A token is a character; gru_characters has them.",
        "bpe": "Tokens are byte pairs, which C makes of no text: ids, as tokenizer.json has them, go in and out.",
        "word": "Tokens are words, which C makes of no text: ids, as config.json has them, go in and out.",
    }[vocabulary.kind]


def _output_in_words(model: CModel) -> list[str]:
    if model.kind == "language":
        return ["What comes out are logits of the next token."]
    if model.kind == "states":
        return ["What comes out is the top layer's state" + ", added to what it reads" * model.stack.residual + "."]
    answer = model.runtime.answer
    targets = ", ".join(map(_plain, answer.targets))
    after = " of the next row" if answer.next else ""
    if answer.kind == "class":
        names = ", ".join(f"{k} {_plain(name)}" for k, name in enumerate(answer.classes))
        return [f"What comes out{after}, of {targets}: how likely each class is. {names}"]
    if answer.kind == "labels":
        return [f"What comes out{after}: how likely each label is. {targets}"]
    return [f"What comes out{after}, of its own size: {targets}"]


def _plain(name: str) -> str:
    """A name in a comment."""
    return (
        "".join(c if c.isprintable() else "?" for c in name)
        .replace("*/", "* /")
        .replace("/*", "/ *")
        .replace("\\", "?")
    )
