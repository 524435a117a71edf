import W2VAudio
import W2VBase
import W2VCluster
import W2VCorpus
import W2VDecoding
import W2VFeatures
import W2VFetching
import W2VInterchange
import W2VRecognition
import W2VServing
import W2VTorch
import W2VTraining

/// The command-line form of the libraries' phrases: options to give and commands to run.
let commandLinePhrases: [Phrase: String] = [
    .otherOutput: "another --output",
    .replace: "give --force to replace",
    .resume: "continue with --resume",
    .installCUDA: "run Scripts/setup --cuda and make build",
    .useCPU: "use --device cpu",

    // Data
    .fetchAgain: "run the same command again to continue where it stopped",
    .fetchElsewhere(""):
        "run wav2vec2 checkpoint fetch {} --output FOLDER where there is one, and give the folder's path instead",
    .skipInvalidLengths: "set batching.skip_invalid_size_inputs to true",
    .spellTranscripts: "spell the transcripts with wav2vec2 data labels",
    .makeDictionary: "make a dictionary of these labels with wav2vec2 data dictionary",
    .readSpelledLabels: "read the spelled labels (--labels ltr)",
    .capitalLabels:
        "write the transcripts in capitals (--case upper of wav2vec2 data labels and data manifest)",
    .foldCase: "fold them by --case lower or --case upper of wav2vec2 data manifest and data labels",
    .stripPunctuation: "leave it out by --strip-punctuation of wav2vec2 data manifest and data labels",
    .composeLetters: "compose the letters by --nfc of wav2vec2 data manifest and data labels",
    .nameColumns: "name the columns of paths and transcripts by --columns PATH,TEXT",
    .nameAudioRoot: "name the folder of the recordings by --audio-root FOLDER",
    .listReadable: "make a list without them with wav2vec2 data manifest",
    .otherAudioFolder: "another folder for the new recordings (--audio-folder)",
    .leaveSourceOut: "leave --source out",
    .prepareAgain: "run the same command again",

    // Checkpoints
    .giveDictionary: "give it with --dictionary FILE",
    .otherDictionary: "give another one with --dictionary",
    .nameArchitecture: "name a checkpoint of the same architecture with --architecture-from CHECKPOINT",
    .giveLanguageModel: "give the model with --lm",
    .fineTune(""): "fine-tune it first with wav2vec2 finetune --from {}",
    .languageModel(""): "--lm {}",
    .lexicon(""): "--lexicon {}",
    .decoderWeight("", 0): "--{} {}",

    // Training
    .trainingList: "--train",
    .validationList: "--valid",
    .giveLists: "give both with --train and --valid",
    .startingCheckpoint: "--from",
    .outputFolder: "--output",
    .newHead: "--new-head",
    .resuming: "--resume",
    .device: "--device",
    .effectiveBatch: "--effective-batch",
    .epochsThisJob: "--epochs-this-job",
    .recipeFile: "--recipe",
    .changeKey: "--set changes a key",
    .assignment(""): "--set {}",
    .effectiveBatch(of: 0): "--effective-batch {}",
    .threads(0): "--threads {}",
    .continueRun("", ""): "continue it with wav2vec2 {}",
    .fineTuneResult(""):
        "wav2vec2 finetune --recipe finetune-base-1h --from {} --train LABELED.tsv --valid VALID.tsv --output TUNED",
    .useResult(""):
        "wav2vec2 evaluate --checkpoint {} --manifest TEST.tsv, or wav2vec2 transcribe --checkpoint {} FILE",
    .addDictionary(to: ""): "wav2vec2 checkpoint convert {} FOLDER --to native --dictionary FILE",

    // Launching
    .launchers: "wav2vec2 launch, torchrun, srun or mpirun",
    .rendezvousAddress: "--rendezvous",
    .machineNumbers: "--nodes and --node-rank",
    .ownMachineNumber: "a --node-rank of its own",
    .launch(machines: 0, processes: 0, restarts: 0): "--nodes {} --processes {} --restarts {}",

    // Recognition
    .convertLanguageModel: "convert the ARPA file again with wav2vec2 lm convert",
    .fixedDiscounts: "allow fixed discounts with --discount-fallback",
    .saveLogits: "save the logits again with evaluate --save-logits",
    .logitsFolder: "a folder that 'evaluate --save-logits' has written to its end",
    .transcribeFile: "leave --live out",
    .liveRate: "--rate",

    // Features
    .unitsOfLayer: "make units of a layer with wav2vec2 units train",
    .layers: "--layer",
    .pooling: "--pool",
    .upsampling: "--upsample",
    .bringToOneRate: "bring them to one rate (--upsample)",
    .precision: "--precision",
    .elementType: "--dtype",
    .fileFormat: "--format",
    .writeSafetensors: "write .safetensors files (--format safetensors)",

    // Serving
    .host: "--host",
    .otherPort: "another --port",
    .uploadLimit: "--max-upload-mb",
    .durationLimit: "--max-audio-seconds",
    .waitingLimit: "--max-waiting",
    .allowHost: "allow the name by --allow-host",
    .allowOrigin: "allow them by --allow-origin",
]
