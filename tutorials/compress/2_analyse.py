"""Step 2: measure how much each group's pruning hurts, and look at the curves.

python 2_analyse.py --task classification --data DIR
"""

from common import datasets, options

import paddleprune as pp

if __name__ == "__main__":
    given = options(0)
    _, eval_dataset = datasets(given)
    model = pp.load_model(f"{given.save}/dense/best_model")
    more = {"ratios": given.ratios} if given.ratios else {}
    pp.slim.cal_params_sensitivities(model, given.sensitivities_file, eval_dataset, batch_size=16, **more)
    for picture in pp.slim.visualize(model, given.sensitivities_file, save_dir=given.save):
        print(picture)
