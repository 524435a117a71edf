// Written by HelpTests: the texts of Help/ with the words of their commands.

static const unsigned char text_0[] = {
#embed "Help/wav2vec2.txt"
};
static const unsigned char text_1[] = {
#embed "Help/wav2vec2-align.txt"
};
static const unsigned char text_2[] = {
#embed "Help/wav2vec2-benchmark.txt"
};
static const unsigned char text_3[] = {
#embed "Help/wav2vec2-benchmark-data.txt"
};
static const unsigned char text_4[] = {
#embed "Help/wav2vec2-benchmark-decoding.txt"
};
static const unsigned char text_5[] = {
#embed "Help/wav2vec2-benchmark-finetune.txt"
};
static const unsigned char text_6[] = {
#embed "Help/wav2vec2-benchmark-inference.txt"
};
static const unsigned char text_7[] = {
#embed "Help/wav2vec2-benchmark-kernels.txt"
};
static const unsigned char text_8[] = {
#embed "Help/wav2vec2-benchmark-pretrain.txt"
};
static const unsigned char text_9[] = {
#embed "Help/wav2vec2-benchmark-scaling.txt"
};
static const unsigned char text_10[] = {
#embed "Help/wav2vec2-checkpoint.txt"
};
static const unsigned char text_11[] = {
#embed "Help/wav2vec2-checkpoint-average.txt"
};
static const unsigned char text_12[] = {
#embed "Help/wav2vec2-checkpoint-convert.txt"
};
static const unsigned char text_13[] = {
#embed "Help/wav2vec2-checkpoint-fetch.txt"
};
static const unsigned char text_14[] = {
#embed "Help/wav2vec2-checkpoint-inspect.txt"
};
static const unsigned char text_15[] = {
#embed "Help/wav2vec2-checkpoint-verify.txt"
};
static const unsigned char text_16[] = {
#embed "Help/wav2vec2-curves.txt"
};
static const unsigned char text_17[] = {
#embed "Help/wav2vec2-data.txt"
};
static const unsigned char text_18[] = {
#embed "Help/wav2vec2-data-combine.txt"
};
static const unsigned char text_19[] = {
#embed "Help/wav2vec2-data-convert.txt"
};
static const unsigned char text_20[] = {
#embed "Help/wav2vec2-data-dictionary.txt"
};
static const unsigned char text_21[] = {
#embed "Help/wav2vec2-data-labels.txt"
};
static const unsigned char text_22[] = {
#embed "Help/wav2vec2-data-librispeech.txt"
};
static const unsigned char text_23[] = {
#embed "Help/wav2vec2-data-manifest.txt"
};
static const unsigned char text_24[] = {
#embed "Help/wav2vec2-doctor.txt"
};
static const unsigned char text_25[] = {
#embed "Help/wav2vec2-evaluate.txt"
};
static const unsigned char text_26[] = {
#embed "Help/wav2vec2-features.txt"
};
static const unsigned char text_27[] = {
#embed "Help/wav2vec2-finetune.txt"
};
static const unsigned char text_28[] = {
#embed "Help/wav2vec2-launch.txt"
};
static const unsigned char text_29[] = {
#embed "Help/wav2vec2-lm.txt"
};
static const unsigned char text_30[] = {
#embed "Help/wav2vec2-lm-build.txt"
};
static const unsigned char text_31[] = {
#embed "Help/wav2vec2-lm-convert.txt"
};
static const unsigned char text_32[] = {
#embed "Help/wav2vec2-lm-inspect.txt"
};
static const unsigned char text_33[] = {
#embed "Help/wav2vec2-lm-tune.txt"
};
static const unsigned char text_34[] = {
#embed "Help/wav2vec2-pretrain.txt"
};
static const unsigned char text_35[] = {
#embed "Help/wav2vec2-recipe.txt"
};
static const unsigned char text_36[] = {
#embed "Help/wav2vec2-recipe-list.txt"
};
static const unsigned char text_37[] = {
#embed "Help/wav2vec2-recipe-show.txt"
};
static const unsigned char text_38[] = {
#embed "Help/wav2vec2-report.txt"
};
static const unsigned char text_39[] = {
#embed "Help/wav2vec2-runs.txt"
};
static const unsigned char text_40[] = {
#embed "Help/wav2vec2-serve.txt"
};
static const unsigned char text_41[] = {
#embed "Help/wav2vec2-transcribe.txt"
};
static const unsigned char text_42[] = {
#embed "Help/wav2vec2-units.txt"
};
static const unsigned char text_43[] = {
#embed "Help/wav2vec2-units-apply.txt"
};
static const unsigned char text_44[] = {
#embed "Help/wav2vec2-units-codes.txt"
};
static const unsigned char text_45[] = {
#embed "Help/wav2vec2-units-quality.txt"
};
static const unsigned char text_46[] = {
#embed "Help/wav2vec2-units-train.txt"
};

static const struct {
    const char *name;
    const unsigned char *text;
    size_t size;
} help_texts[] = {
    {"", text_0, sizeof text_0},
    {"align", text_1, sizeof text_1},
    {"benchmark", text_2, sizeof text_2},
    {"benchmark data", text_3, sizeof text_3},
    {"benchmark decoding", text_4, sizeof text_4},
    {"benchmark finetune", text_5, sizeof text_5},
    {"benchmark inference", text_6, sizeof text_6},
    {"benchmark kernels", text_7, sizeof text_7},
    {"benchmark pretrain", text_8, sizeof text_8},
    {"benchmark scaling", text_9, sizeof text_9},
    {"checkpoint", text_10, sizeof text_10},
    {"checkpoint average", text_11, sizeof text_11},
    {"checkpoint convert", text_12, sizeof text_12},
    {"checkpoint fetch", text_13, sizeof text_13},
    {"checkpoint inspect", text_14, sizeof text_14},
    {"checkpoint verify", text_15, sizeof text_15},
    {"curves", text_16, sizeof text_16},
    {"data", text_17, sizeof text_17},
    {"data combine", text_18, sizeof text_18},
    {"data convert", text_19, sizeof text_19},
    {"data dictionary", text_20, sizeof text_20},
    {"data labels", text_21, sizeof text_21},
    {"data librispeech", text_22, sizeof text_22},
    {"data manifest", text_23, sizeof text_23},
    {"doctor", text_24, sizeof text_24},
    {"evaluate", text_25, sizeof text_25},
    {"features", text_26, sizeof text_26},
    {"finetune", text_27, sizeof text_27},
    {"launch", text_28, sizeof text_28},
    {"lm", text_29, sizeof text_29},
    {"lm build", text_30, sizeof text_30},
    {"lm convert", text_31, sizeof text_31},
    {"lm inspect", text_32, sizeof text_32},
    {"lm tune", text_33, sizeof text_33},
    {"pretrain", text_34, sizeof text_34},
    {"recipe", text_35, sizeof text_35},
    {"recipe list", text_36, sizeof text_36},
    {"recipe show", text_37, sizeof text_37},
    {"report", text_38, sizeof text_38},
    {"runs", text_39, sizeof text_39},
    {"serve", text_40, sizeof text_40},
    {"transcribe", text_41, sizeof text_41},
    {"units", text_42, sizeof text_42},
    {"units apply", text_43, sizeof text_43},
    {"units codes", text_44, sizeof text_44},
    {"units quality", text_45, sizeof text_45},
    {"units train", text_46, sizeof text_46},
};
