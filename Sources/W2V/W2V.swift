// The parts that most apps need, in one import: recognition, alignment, decoding, and features of speech.
@_exported import W2VDecoding
@_exported import W2VFeatures
@_exported import W2VInference
@_exported import W2VRecognition

// From the libraries below, only the types in the interfaces of these. Names such as `Module` and `Linear` stay free
// for the app, which imports `W2VTorch` to compute with tensors of its own.
@_exported import enum W2VAudio.AudioError
@_exported import enum W2VAudio.AudioFile
@_exported import struct W2VBackbone.ModelConfiguration
@_exported import struct W2VBackbone.ModelPrecision
@_exported import struct W2VBase.TextForm
@_exported import enum W2VCorpus.CorpusError
@_exported import struct W2VCorpus.Manifest
@_exported import enum W2VInterchange.CheckpointError
@_exported import struct W2VInterchange.CheckpointNote
@_exported import struct W2VInterchange.TextStyle
@_exported import enum W2VTorch.DType
@_exported import enum W2VTorch.Device
@_exported import struct W2VTorch.Tensor
@_exported import enum W2VTorch.TorchError
