"""Read what the full study measured, which is kept in results/full_set/."""

from pathlib import Path
from types import SimpleNamespace

from analysis.maths import recurrent_cells as cells
from workings import measurements
from workings.measurements import Record, record


def over_seeds(seeds: dict) -> Record:
    """How far the networks from other seeds lie apart."""
    spread = seeds["spread"]
    accuracy, peaks = spread["classifier"]["test_accuracy"], spread["atlas"]["peaks"]
    lowest = spread["occlusion"]["lowest_probability"]
    return record(
        count=seeds["count"],
        accuracy=accuracy["mean"],
        deviation=accuracy["deviation"],
        lowest_accuracy=accuracy["lowest"],
        highest_accuracy=accuracy["highest"],
        lowest_probability=lowest["lowest"],
        highest_probability=lowest["highest"],
        upper_right=peaks["upper_right"]["highest"],
    )


def of_training(found: dict) -> Record:
    """How many networks learnt each task, by cell and delay."""
    rows = [
        record(task=task, model=row["model"], solved=[point["solved"] for point in row["points"]])
        for task in ("adding", "recall")
        for row in found[task]["models"]
    ]
    points = found["adding"]["models"][0]["points"]
    delays = [point["delay"] for point in points]
    return record(
        delays=delays,
        longest_delay=max(delays),
        networks=len(points[0]["errors"]),
        rows=rows,
        # The delays at which both gated cells learn more often than the vanilla one, and each of them on recall.
        gates_above_on_adding=found["adding"]["gates_above"],
        apart_on_recall=[
            record(model=pair["model"], more=pair["more"], less=pair["less"])
            for pair in found["recall"]["pairs"]
            if pair["model"] in cells.KEEPS
            and pair["than"] == "vanilla"
            and pair["more"] + pair["less"]
        ],
    )


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    found = {Path(path).stem: measurements.read(path) for path in inputs.kept}
    classifier, maps, search = found["classifier"], found["feature_maps"], found["patch_search"]
    values = record(
        commit=Path(inputs.commit).read_text(encoding="utf-8")[:12],
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
        seeds=over_seeds(found["seeds"]),
        training=of_training(found["training"]),
    )
    del values["peaks"]["rows"]
    measurements.write(outputs.measurements, values)
