"""The saved folder, and the classifier a user holds."""

from fovea.model.average import Member, average_members, require_same_classes
from fovea.model.classifier import Classifier
from fovea.model.estimates import AnyPrediction, LabelsPrediction, ValuePrediction
from fovea.model.estimator import Estimator
from fovea.model.folder import load_classifier, load_model, read_evidence
from fovea.model.own_classes import OwnClasses, open_own_classes
from fovea.model.parts import DataFacts, ModelParts, Thresholds
from fovea.model.prediction import Prediction, Predictions
from fovea.model.targets import Labels, Target, Values
from fovea.model.write import write_model

__all__ = [
    "AnyPrediction",
    "Classifier",
    "DataFacts",
    "Estimator",
    "Labels",
    "LabelsPrediction",
    "Member",
    "ModelParts",
    "OwnClasses",
    "Prediction",
    "Predictions",
    "Target",
    "Thresholds",
    "ValuePrediction",
    "Values",
    "average_members",
    "load_classifier",
    "load_model",
    "open_own_classes",
    "read_evidence",
    "require_same_classes",
    "write_model",
]
