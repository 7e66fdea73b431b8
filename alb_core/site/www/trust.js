'use strict';

/* What verdicts and loaders of each machine are worth. */
$(document).ready(function() {
    var filled = false;

    function said(text) {
        return $('<p class="alb-said"/>').text(text);
    }

    function verdicts(machine) {
        var found = $('<div class="alb-verdicts"/>').append('<h4>Verdicts</h4>');
        var known = machine.calibration;
        if (!known) {
            return found.append(said(
                'Not calibrated: how often verdicts of this machine are wrong is not known. `alb calibrate` finds out.'));
        }
        found.append(said(
            'Measured ' + known.measured + ' on commit ' + known.commit.slice(0, 8) + ', in verdicts of ' + known.budget +
            ', by ' + known.rounds + ' rounds of equal commits (a verdict has about ' + known.verdict_rounds + '). ' +
            'False alarms are verdicts of equal commits that said worse or better. Counts of verdicts that share no ' +
            'round, with the 95 % interval that follows from them; resampled ones share rounds, so they have none. ' +
            'Visible is the smallest change that a verdict shows in 95 of 100; a step on this site is larger than what ' +
            'runs of one commit differ by.' + (known.canary ? ' Spread of the canary meanwhile: ' + known.canary + '.' : '')));
        return found.append($.alb.table(known.table[0], known.table.slice(1), 1));
    }

    function loaders(machine) {
        var found = $('<div class="alb-loaders"/>').append('<h4>Loaders side by side</h4>');
        if (!machine.loaders || !machine.loaders.length) {
            return found.append(said('No comparison is kept: `alb compare-loaders DATASET --keep` makes one.'));
        }
        $.each(machine.loaders, function(i, one) {
            found.append(said(one.said + '. Measured ' + one.measured + '.'));
            found.append($.alb.table(one.table[0], one.table.slice(1), one.texts));
            $.each(one.others, function(k, line) { found.append(said(line)); });
        });
        return found;
    }

    function show(display) {
        if (filled) {
            return;
        }
        filled = true;
        var body = $('<div id="alb-trust-body"/>').appendTo(display);
        $.alb.load('alb/trust.json').done(function(content) {
            if (!content.machines.length) {
                body.append(said('No machine has results yet: `asv run` measures.'));
            }
            $.each(content.machines, function(i, machine) {
                body.append($('<h3/>').text(machine.name).append(' ').append(
                    $('<small/>').text(machine.hardware || '')));
                $.each(machine.faults, function(k, line) {
                    body.append($('<div class="alert alert-danger"/>').text(line));
                });
                body.append(verdicts(machine)).append(loaders(machine));
            });
        });
    }

    $.alb.page('trust', 'Verdicts and loaders', show);
});
