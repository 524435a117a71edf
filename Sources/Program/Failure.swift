import Foundation
import W2VAudio
import W2VBackbone
import W2VBase
import W2VCluster
import W2VCorpus
import W2VDecoding
import W2VFeatures
import W2VFetching
import W2VInterchange
import W2VRecognition
import W2VReporting
import W2VServing
import W2VTorch
import W2VTraining

/// The exit code of an error that a command threw; nil for one of the argument parser's own.
func failureCode(_ error: any Error) -> Int32? {
    switch error {
    // Where nothing can be written, the input is not to blame.
    case FeatureError.occupied, CheckpointError.occupied, LanguageModelError.unwritable, CorpusError.unwritable,
        CorpusError.occupied:
        return EXIT_FAILURE
    case LibriSpeechError.folderInUse, RecognitionError.failureInAnotherProcess: return EXIT_FAILURE
    case let error as AudioError where error.isFailure: return EXIT_FAILURE
    case is AudioError, is CorpusError, is CheckpointError, is SafetensorsError, is ConfigurationError,
        is RecognitionError, is DecodingError, is LanguageModelError, is AlignmentError, is InputError, is MetricsError,
        is LibriSpeechError, is FeatureError:
        return EX_DATAERR
    case let error as TrainingError: return error.exitCode
    case let error as ClusterError: return error.exitCode
    case let error as FetchError: return error.exitCode
    case is TorchError, is FileWriteError, is OutputError, is ServerError, is CancellationError, is CocoaError:
        return EXIT_FAILURE
    default:
        return nil
    }
}
