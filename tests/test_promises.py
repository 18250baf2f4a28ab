"""The promises of README, notebooks and docstrings (never, always, the same, all, at most), and who holds them.

A promise has a short key, since its wording changes with the prose. A test of this table fails when a test
that holds a promise is renamed or deleted: then the promise is to be held by another, or taken back.
"""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# ruff: noqa: E501
PROMISES: dict[str, list[str]] = {
    # The engine
    "every result remembers how it was made": ["test_engine::test_topological_order_has_parents_first_and_each_value_once"],
    "numbers and exceptions are those of float and math": ["test_fuzz::Machine", "test_ops::test_result"],
    "an exception names the operation, the operands and their values": ["test_fuzz::Machine"],
    "== and hash are identity": ["test_engine::test_equality_and_hash_are_those_of_identity"],
    "two passes give exactly twice": ["test_engine::test_backward_twice_gives_exactly_twice"],
    "the gradient is that of the evaluation that was recorded": ["test_engine::test_the_gradient_is_that_of_the_recorded_evaluation"],
    "readings refuse a graph whose numbers have changed": [
        "test_engine::test_readings_refuse_a_graph_whose_numbers_have_changed",
        "test_steps::test_numbers_that_were_written_over_are_refused",
        "test_explain::test_numbers_that_were_written_over_are_refused",
    ],
    "gradients: the bits of backward, and touches nothing": ["test_engine::test_gradients_has_the_bits_of_backward_and_touches_nothing"],
    "grad leaves every .grad as it is, at any order": ["test_engine::test_grad_leaves_every_grad_untouched_and_goes_to_any_order"],
    "the order is the same in every process": ["test_scale::test_the_same_seed_gives_the_same_bits_in_every_process"],
    "nothing is recorded within no_grad": ["test_engine::test_no_grad_records_nothing_and_nests"],
    "no part of the engine recurses": ["test_scale::test_a_deep_graph_is_differentiated_into_a_graph"],
    "a graph has no cycles and is freed at once": ["test_leaks::test_memory_stays_as_it_is"],
    "an operation is one row, and every reading knows it": [
        "test_ops::test_text",
        "test_steps::test_every_row_has_a_step",
        "test_draw::test_every_row_of_the_op_table_can_be_drawn",
        "test_compile_llvm::test_every_row_has_a_vector_form",
    ],
    "a rule gives the same bits with Values": ["test_ops::test_a_rule_gives_the_same_bits_with_values"],
    "kinks have their conventions": ["test_ops::test_every_convention_is_met"],
    "the engine imports the standard library only": ["test_project::test_the_engine_needs_the_standard_library_only_and_imports_nothing_heavy"],
    "code of micrograd runs with its import changed": ["test_micrograd::test_demo_gives_the_losses_of_micrograd"],
    # The cursor
    "at the end a walk leaves what backward leaves, to the last bit": ["test_steps::test_the_end_leaves_what_backward_leaves"],
    "each step is one application of the chain rule": ["test_steps::test_every_position_is_so_many_applications_of_the_chain_rule"],
    "no grad is written before the last step": ["test_steps::test_every_position_is_so_many_applications_of_the_chain_rule"],
    "the last step writes once": [
        "test_steps::test_one_cursor_writes_once_however_often_it_comes_to_its_end",
        "test_steps::test_a_backward_pass_between_two_steps_of_a_walk_counts_once",
    ],
    "going back changes no grad": ["test_steps::test_cursors_and_passes_in_any_order"],
    "other cursors and passes make no difference": ["test_steps::test_cursors_and_passes_in_any_order", "test_fuzz::Machine"],
    "the picture shows the gradients of the walk": [
        "test_player::test_the_picture_is_that_of_the_cursor_at_every_step_forth_and_back",
        "test_player::test_the_picture_shows_the_gradients_of_the_walk_not_those_from_before",
    ],
    "run(until) stops where goto goes to": ["test_steps::test_run_until"],
    "what a step says is the same wherever the cursor is": ["test_steps::test_what_a_step_says_is_the_same_wherever_the_cursor_is"],
    "a number is right to the digits that were typed": ["test_steps::test_wrong_to_the_digits_that_are_typed"],
    "a right answer is never called a slip": ["test_steps::test_a_right_answer_is_never_called_a_slip"],
    "to show and to save changes nothing": ["test_player::test_to_show_and_to_save_changes_nothing"],
    "a page needs no other file and no network": ["test_player::test_save_writes_a_whole_file_or_none"],
    # Explanations
    "explain changes nothing": ["test_explain::test_nothing_is_modified"],
    "explain's gradient has the bits of backward": ["test_explain::test_the_gradient_is_that_of_backward_to_the_bit"],
    "paths are counted exactly": ["test_scale::test_paths_are_counted_exactly_however_many_digits_there_are"],
    "the largest paths are listed, the largest first": ["test_explain::test_all_paths_of_a_small_graph"],
    "what is not listed is added up": ["test_explain::test_what_is_not_listed_is_added_up"],
    "why a gradient is 0, infinite or nan": ["test_explain::test_the_cause_that_is_said_is_the_true_one"],
    "every name that is shown is said": ["test_explain::test_every_name_that_is_shown_is_said"],
    "ripple modifies nothing": ["test_ripple::test_nothing_is_modified", "test_ripple::test_nothing_is_modified_where_an_operation_is_undefined"],
    "ripple is a fresh forward pass to the bit": ["test_ripple::test_it_is_a_fresh_forward_pass_to_the_bit"],
    "receipts leave the gradients' bits": ["test_receipts::test_gradients_are_the_same_bits_with_and_without"],
    # Formulas and names
    "a formula gives the value, as text and as LaTeX": ["test_formula::test_formulas_are_read_back"],
    "what would be long is an ellipsis": ["test_formula::test_what_would_be_long_is_an_ellipsis"],
    "no two values are called alike": [
        "test_formula::test_the_examples_of_a_batch_have_names_of_their_own_in_every_reading",
        "test_formula::test_names_are_told_apart_that_are_typeset_alike_and_no_new_name_is_taken",
    ],
    "names that look like notation are set apart": ["test_formula::test_what_looks_like_notation_is_set_apart"],
    "numbers of a formula are those of the evaluation": ["test_formula::test_numbers_are_those_of_the_evaluation_even_if_someone_wrote_since"],
    # gradcheck
    "gradcheck: agree, differ, or cannot be checked": [
        "test_engine::test_gradcheck_tells_right_from_wrong_at_every_scale",
        "test_engine::test_gradcheck_says_that_it_cannot_tell_where_rounding_hides_the_slope",
    ],
    "an estimate's error is bounded by what is said": ["test_engine::test_central_differences_find_their_step"],
    # Pictures
    "drawing changes nothing": ["test_draw::test_drawing_changes_nothing"],
    "the same picture for the same graph, in every process": ["test_draw::test_the_same_bytes_in_every_process"],
    "every value is one box, every operand one arrow": ["test_draw::test_every_value_and_constant_is_one_box_and_every_operand_one_arrow"],
    "render writes one file, whole or not at all": ["test_picture::test_render_writes_one_file_and_gives_its_path"],
    "any name is only a name": ["test_player::test_any_name_is_only_a_name", "test_draw::test_any_name_can_be_drawn"],
    # Networks, training, data
    "the same seed gives the same network everywhere": ["test_nn::test_weights_of_seed_0", "test_nn::test_seeds"],
    "the random state of others is left alone": ["test_nn::test_the_global_random_state_is_left_alone"],
    "save and load give the same bits": ["test_nn::test_save_and_load_give_the_same_bits"],
    "a file is written whole or not at all": ["test_files::test_a_killed_process_leaves_the_old_file_or_the_new_one"],
    "the same seed, the same bits of a training": ["test_fit::test_same_seed_same_bits_in_separate_processes"],
    "a training goes on with the same bits": [
        "test_fit::test_a_training_goes_on_from_a_checkpoint_with_the_same_bits",
        "test_fit::test_a_training_that_is_killed_goes_on_with_the_same_bits",
    ],
    "bad input changes nothing": ["test_fit::test_arguments_that_make_no_sense_change_nothing"],
    "the same seed gives the same points": ["test_data::test_the_same_seed_gives_the_same_rows_in_another_process"],
    "a batch is not changed": ["test_compile::test_a_batch_is_not_changed_and_results_are_not_shared"],
    "threads change no bit": ["test_compile_llvm::test_the_number_of_threads_changes_no_bit"],
    # Diagnosis
    "diagnose changes nothing": ["test_diagnose::test_nothing_changes", "test_diagnose::test_nothing_changes_after_an_error"],
    "the examples that are looked at are always the same": ["test_diagnose::test_twice_the_same"],
    "a network that is fine has no finding": ["test_diagnose::test_healthy_networks_have_no_finding_and_ill_ones_have_theirs"],
    "an advice helps": ["test_diagnose::test_healthy_networks_have_no_finding_and_ill_ones_have_theirs"],
    # Code
    "a file imports only from floors below its own": ["test_project::test_every_file_has_a_floor_and_imports_from_below"],
    "the notebooks give what is committed": ["test_notebooks::test_a_notebook_gives_what_is_committed"],
}  # fmt: skip


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_held_by_tests_that_exist(promise: str) -> None:
    for held_by in PROMISES[promise]:
        file, _, name = held_by.partition("::")
        tree = ast.parse((TESTS / f"{file}.py").read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert name in names, f"{held_by} is gone"
