"""Read what a run on all of MNIST measured, which is kept in results/full_set.json."""

from types import SimpleNamespace

from workings import measurements
from workings.measurements import record


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    kept = measurements.read(inputs.kept)
    found = kept["measurements"]
    classifier, maps, search = found["classifier"], found["feature_maps"], found["patch_search"]
    values = record(
        commit=kept["commit"][:12],
        training_images=found["digits"]["training_images"],
        test_images=classifier["test_images"],
        test_correct=classifier["test_correct"],
        test_accuracy=classifier["test_accuracy"],
        confidence=classifier["confidence"],
        test_accuracy_low=classifier["test_accuracy_low"],
        test_accuracy_high=classifier["test_accuracy_high"],
        median_correlations=[layer["median_correlation"] for layer in maps["layers"]],
        pixels_accuracy=maps["pixels"]["accuracy"],
        last_layer_accuracy=maps["layers"][-1]["accuracy"],
        holds_to_both_sides_up_to=found["translation"]["one_digit"]["holds_to_both_sides_up_to"],
        clean_probability=found["occlusion"]["clean_probability"],
        lowest_probability=found["occlusion"]["lowest_probability"],
        part=found["occlusion"]["hot_spot"]["part"],
        peaks=found["atlas"]["peaks"],
        searched=search["searched"],
        flipped=search["flipped"],
        median_side=search["median"],
        smallest_side=search["smallest"],
        at_the_smallest=search["images_at_the_smallest"],
    )
    del values["peaks"]["rows"]
    measurements.write(outputs.measurements, values)
